"""Parameters have the names and shapes that the contract lists.

## Why it matters
A checkpoint is a table of names and shapes. If one differs, weights trained elsewhere no longer load.

## Usual causes
- A layer was built with the wrong size.
- A layer was renamed, added, tied to another, or kept in a plain list where PyTorch does not find it.
"""

from deepdiff import DeepDiff
from hypothesis import strategies as st

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.strategies import VOCABULARIES, WIDTHS, Sizes
from grader.extent import MODEL, Extent
from grader.packages.package import ask_both
from grader.sandbox.questions import Parameters


class SizeCase(Sizes, frozen=True, kw_only=True):
    """The sizes of a model, and a seed to build it at."""

    seed: int


SIZES = st.builds(
    SizeCase,
    d_model=st.sampled_from(WIDTHS),
    vocab_size=st.sampled_from(VOCABULARIES),
    n_layer=st.integers(1, 3),
    block_size=st.sampled_from((2, 10, 13)),
    seed=st.integers(0, 999),
)


def size_case(extent: Extent) -> SizeCase:
    """A model of these sizes."""
    return SizeCase(
        d_model=extent.width,
        vocab_size=extent.words,
        n_layer=extent.layers,
        block_size=extent.tokens,
        seed=extent.draw % 1000,
    )


def holds(case: SizeCase, context: Context) -> None:
    """Names and shapes, compared as plain data."""
    question = Parameters(config=case.config, seed=case.seed)
    answer, expected = ask_both(context.candidate, context.reference, question, {})
    difference = DeepDiff(
        {name: list(array.shape) for name, array in expected.items()},
        {name: list(array.shape) for name, array in answer.items()},
    )
    if difference:
        wrong = sorted(
            name for name in expected.keys() | answer.keys()
            if name not in answer or name not in expected or answer[name].shape != expected[name].shape
        )  # fmt: skip
        has = f"has shape {tuple(answer[wrong[0]].shape)}" if wrong[0] in answer else "is missing"
        if wrong[0] not in expected:
            has = "is not one of the contract's parameters"
        raise CheckFailed(
            "parameters",
            "parameter names and shapes are those of the contract",
            f"{wrong[0]} {has}" + (f", and {len(wrong) - 1} more differ" if len(wrong) > 1 else ""),
            expected=difference.pretty(),
        )


def snippet(case: SizeCase) -> str:
    """Print the table; require the head's shape."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""from model import GPT, GPTConfig

model = GPT(GPTConfig({settings}))
for name, p in model.named_parameters():
    print(f"{{name:32}} {{tuple(p.shape)}}")
assert model.lm_head.weight.shape == ({case.vocab_size}, {case.d_model}), "lm_head.weight must be (V, C)"
"""


CHECK = Check(
    id="parameter-shapes",
    cases=SIZES,
    holds=holds,
    at_size=size_case,
    default=MODEL,
    snippet=snippet,
    examples=3,
)
