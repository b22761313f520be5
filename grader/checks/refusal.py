"""Questions that a model has to refuse."""

import re

from grader.checks.check import CheckFailed, Context
from grader.packages.trouble import PackageRaised
from grader.sandbox.questions import AnyQuestion
from grader.sandbox.wire import Tensors


def must_refuse(
    context: Context, question: AnyQuestion, tensors: Tensors, what: str, values: tuple[int, ...] = ()
) -> None:
    """Require a ValueError; what is not built yet may say so instead.

    Args:
        values: the numbers that are wrong together; the message has to name one of them.
    """
    claim = f"{what} is a ValueError"
    try:
        context.ask(question, tensors)
    except PackageRaised as raised:
        if raised.is_a("ValueError"):
            if values and not {str(value) for value in values} & set(re.findall(r"\d+", raised.raised.message)):
                claim = f"the ValueError for {what} has the value in it"
                raise CheckFailed("no-value", claim, f"it says {raised.raised.message!r}") from None
            return
        if raised.unbuilt:
            raise
        raise CheckFailed("other-error", claim, f"it raised {raised}") from None
    raise CheckFailed("no-error", claim, "no error was raised")
