"""Biases start at zero, and the gains of norms at one.

## Why it matters
A bias that starts anywhere else is a preference that no data gave the model. A gain that does not start at one changes
the size of everything that a norm hands on, which is what it is there to keep.

## Usual causes
- Biases are left as the layer drew them.
- The initialisation of matrices reaches vectors too.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.initialisation.cases import LARGE
from grader.checks.projection.parameter_shapes import SizeCase
from grader.sandbox.questions import Parameters


def holds(case: SizeCase, context: Context) -> None:
    """Whatever is one number throughout in a right model."""
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


def snippet(case: SizeCase) -> str:
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


CHECK = Check(
    id="initial-constants",
    cases=LARGE,
    holds=holds,
    snippet=snippet,
    examples=2,
)
