"""Questions that a model has to refuse."""

from grader.checks.check import Bench, Counterexample
from grader.oracle import PackageRaised
from grader.sandbox.questions import AnyQuestion
from grader.sandbox.wire import Tensors


def must_refuse(bench: Bench, question: AnyQuestion, tensors: Tensors, what: str) -> None:
    """Require a ValueError; what is not built yet may say so instead."""
    claim = f"{what} is a ValueError"
    try:
        bench.ask(question, tensors)
    except PackageRaised as raised:
        if raised.is_a("ValueError"):
            return
        if raised.unbuilt:
            raise
        raise Counterexample("other-error", claim, f"it raised {raised}") from None
    raise Counterexample("no-error", claim, "no error was raised")
