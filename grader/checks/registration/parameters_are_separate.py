"""Every parameter is a tensor of its own.

## Why it matters
Two parameters in one tensor cannot learn two things. Their gradients add up, and when a checkpoint is loaded the one
that is copied last wins.

## Usual causes
- A list of layers is made by multiplying a list: that repeats one layer, and makes no new ones.
- A layer, or its weight, is assigned to a second name.
"""

from itertools import groupby

from hypothesis import strategies as st

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.strategies import VOCABULARIES, WIDTHS, Sizes
from grader.sandbox.questions import Sharing
from grader.sandbox.wire import Tensors


def holds(case: Sizes, context: Context) -> None:
    """No two names lie in the same memory that do not in a right model."""
    answer, expected = context.both(Sharing(config=case.config), {})
    allowed = _shared(expected)
    shared = [names for names in _shared(answer) if names not in allowed]
    if shared:
        raise CheckFailed(
            "shared",
            "every parameter is a tensor of its own",
            f"{' and '.join(shared[0][:2])} are one tensor" + (f", and {len(shared) - 1} more" if shared[1:] else ""),
        )


def _shared(answer: Tensors) -> list[tuple[str, ...]]:
    """The names of parameters that are one tensor, by tensor, where they are more than one."""
    names = sorted((int(first), name.removeprefix("first.")) for name, first in answer.items())
    groups = [tuple(name for _, name in group) for _, group in groupby(names, key=lambda entry: entry[0])]
    return [group for group in groups if len(group) > 1]


def snippet(case: Sizes) -> str:
    """Look for parameters with two names."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""from model import GPT, GPTConfig

model = GPT(GPTConfig({settings}))
seen = {{}}
for name, p in model.named_parameters(remove_duplicate=False):
    other = seen.setdefault(p.data_ptr(), name)
    assert other == name, f"{{other}} and {{name}} are one tensor"
"""


CHECK = Check(
    id="parameters-are-separate",
    cases=st.builds(
        Sizes,
        d_model=st.sampled_from(WIDTHS),
        vocab_size=st.sampled_from(VOCABULARIES),
        n_layer=st.just(2),
        block_size=st.just(10),
    ),
    holds=holds,
    snippet=snippet,
    examples=2,
)
