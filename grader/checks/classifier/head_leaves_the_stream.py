"""Building a classifier head takes nothing from the random numbers that others draw.

## Why it matters
After the model is built, the same generator decides what dropout drops and how data are shuffled. If a head takes a few
numbers out of the stream, every run with a head differs from its twin without one, for no reason in the model.

## Usual causes
- The head is initialised with the generator that all of torch shares, and its state is not put back.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.classifier.cases import ClassCase, class_cases
from grader.checks.compare import same_bits
from grader.checks.snippets import model_snippet
from grader.sandbox.questions import Parameters

DRAWS = 4


def holds(case: ClassCase, context: Context) -> None:
    """What torch draws after a model was built, with the head and without it."""
    with_head, without = (
        context.ask(Parameters(config=config, seed=case.data, then_draw=DRAWS), {})["then.drawn"]
        for config in (case.config, case.headless)
    )
    if not same_bits(with_head, without):
        raise CheckFailed(
            "stream-moved",
            "after a model was built, torch draws the same numbers whether it has a head or not",
            f"with n_classes={case.n_classes} it draws others than with n_classes=0",
        )


def snippet(case: ClassCase) -> str:
    """The same by hand."""
    return model_snippet(
        case,
        f"""
drawn = []
for n_classes in (0, {case.n_classes}):
    torch.manual_seed(0)
    GPT(GPTConfig(vocab_size={case.vocab_size}, d_model={case.d_model}, n_classes=n_classes))
    drawn.append(torch.rand(4))
    print(f"n_classes={{n_classes}}: {{drawn[-1]}}")
assert torch.equal(*drawn), "the head moves what is drawn after it"
""",
    )


CHECK = Check(
    id="head-leaves-the-stream",
    cases=class_cases(),
    holds=holds,
    snippet=snippet,
    needs=("lm-untouched",),
    examples=2,
)
