"""With classify=True there is one score a class for every token, beside the usual logits.

## Why it matters
Everything after it, from the loss to the accuracy, takes the shape for granted; and a head that is not
there should be an error, not a surprise.

## Usual causes
- The head pools over time, or only looks at the last token.
- The head was built for another number of classes.
- classify=True without a head returns None instead of raising a ValueError.
"""

from grader.checks.check import Check, CheckFailed, Context
from grader.checks.classifier.cases import ClassCase, class_cases, few_classified
from grader.checks.refusal import must_refuse
from grader.extent import MODEL
from grader.sandbox.questions import Forward

ONE = 1  # class: a head all the same


def holds(case: ClassCase, context: Context) -> None:
    """Shape and dtype, and the error without a head."""
    weights = case.seeded(context.seeds)
    tokens = {"tokens.0": case.token_array()}
    for classes in dict.fromkeys((case.n_classes, ONE)):
        config = case.config | {"n_classes": classes}
        question = Forward(config=config, weights=weights, precision="float32", classify=True)
        scores = context.ask(question, tokens)["class_logits.0"]
        expected = (*case.token_array().shape, classes)
        if scores.shape != expected or scores.dtype != "float32":
            raise CheckFailed(
                "class-shape",
                f"class logits are float32 of shape (B, T, n_classes) = {expected}",
                f"with n_classes={classes} they are {scores.dtype} of shape {tuple(scores.shape)}",
            )
    headless = Forward(config=case.headless, weights=weights, classify=True)
    must_refuse(context, headless, tokens, "classify=True on a model without a head")


CHECK = Check(
    id="class-logits-shape",
    needs=("forward-runs",),
    cases=class_cases(),
    holds=holds,
    at_size=few_classified,
    default=MODEL,
    examples=3,
)
