"""The learner's view of a result: the same verdict, and nothing that belongs to the hidden reference."""

from typing import TypeVar

from msgspec.structs import replace

from grader.result.hidden import Frozen, hidden_fields
from grader.result.record import Audience, Result

T = TypeVar("T")


def for_audience(result: Result, audience: Audience) -> Result:
    """The result as ``audience`` may see it. A learner's result stays a learner's: what is gone is gone."""
    if audience is Audience.INSTRUCTOR:
        return result
    return replace(_without_hidden(result), audience=Audience.LEARNER)


def _without_hidden(value: T) -> T:
    """The same, with every field that is marked as hidden emptied, however deep it lies."""
    if isinstance(value, tuple):
        return type(value)(map(_without_hidden, value))
    if not isinstance(value, Frozen):
        return value
    hidden = hidden_fields(type(value))
    kept = {name: _without_hidden(getattr(value, name)) for name in value.__struct_fields__ if name not in hidden}
    return replace(value, **kept, **dict.fromkeys(hidden))
