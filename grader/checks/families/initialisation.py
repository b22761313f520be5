"""Checks of the values that parameters start with, whatever the order in which they are drawn."""

from typing import Final

import numpy as np
from hypothesis import strategies as st

from grader.checks.check import CheckFailed, Context, check
from grader.checks.families.projection import SizeCase
from grader.sandbox.questions import Parameters
from grader.sandbox.wire import Array

# Models that are large enough to tell by a draw of their parameters what they are drawn from.

LARGE: Final = st.builds(
    SizeCase,
    d_model=st.sampled_from((24, 32)),
    vocab_size=st.sampled_from((19, 40)),
    n_layer=st.integers(1, 4),
    block_size=st.sampled_from((20, 28)),
    seed=st.integers(0, 999),
)


def _initial_constants_snippet(case: SizeCase) -> str:
    """Print the vectors; require what they are."""
    settings = ", ".join(f"{name}={value}" for name, value in case.config.items())
    return f"""from model import GPT, GPTConfig

model = GPT(GPTConfig({settings}))
for name, p in model.named_parameters():
    if p.dim() == 1:
        start = 0.0 if name.endswith("bias") else 1.0
        print(f"{{name:32}} {{p.min():9.4f}} {{p.max():9.4f}}")
        assert (p == start).all(), f"{{name}} does not start at {{start}}"
"""


@check(cases=LARGE, snippet=_initial_constants_snippet, examples=2)
def initial_constants(case: SizeCase, context: Context) -> None:
    """Biases start at zero, and the gains of norms at one.

    ## Why it matters
    A bias that starts anywhere else is a preference that no data gave the model. A gain that does not start at one
    changes the size of everything that a norm hands on, which is what it is there to keep.

    ## Usual causes
    - Biases are left as the layer drew them.
    - The initialisation of matrices reaches vectors too.
    """
    # Whatever is one number throughout in a right model.
    answer, variant = context.both(Parameters(config=case.config, seed=case.seed), {})
    for name, expected in sorted(variant.items()):
        constant = expected.flat[0]
        if not (expected == constant).all() or name not in answer:
            continue
        if not (answer[name] == constant).all():
            wrong = answer[name][answer[name] != constant].flat[0]
            raise CheckFailed(
                "not-constant",
                "biases start at zero, and gains of norms at one",
                f"{name} starts with {wrong:.4g} in it",
                expected=f"{constant:g}",
            )


# The smallest matrix has 456 entries, whose spread is within a fifth of what it is drawn from but once in a billion
# times, and so is a normal draw cut off at two spreads. The smallest mistake to be seen is a factor of 1.41.
BAND: Final = 1.25


@check(cases=LARGE, examples=3)
def initial_spread(case: SizeCase, context: Context) -> None:
    """Matrices start around zero, with the spread that is theirs: smaller where a map adds to the residual stream.

    ## Why it matters
    Every block adds to the stream twice. If each of these maps starts as large as any other, the stream grows with the
    depth before anything is learned, and a deep model starts training far from where it should.

    ## Usual causes
    - A condition on the names of parameters is never true, so that all are drawn alike.
    - The number of additions to the stream is counted wrongly.
    - The spread is passed where the mean is taken, or the other way round.
    """
    # Mean and spread of every matrix, beside another draw of the right kind.
    answer, variant = context.both(Parameters(config=case.config, seed=case.seed), {})
    for name, expected in sorted(variant.items()):
        if name not in answer or expected.ndim < 2:
            continue
        (mean, spread), (_, right) = _of(answer[name]), _of(expected)
        if not right / BAND <= spread <= right * BAND or not abs(mean) <= right * (BAND - 1):
            raise CheckFailed(
                "spread",
                "every matrix starts around zero, with a spread that goes by its place in the model",
                f"with n_layer={case.n_layer}, {name} starts with mean {mean:.4f} and spread {spread:.4f}",
                expected=f"a spread of about {right:.4f}",
            )


def _of(matrix: Array) -> tuple[float, float]:
    values = matrix.astype(np.float64)
    return float(values.mean()), float(values.std())
