"""What every record is made of: immutable structures, in which a field can be marked as hidden from learners."""

from functools import cache
from typing import Annotated, Final, get_args, get_origin, get_type_hints

from msgspec import Meta, Struct

# Marks a field, ``Annotated[X | None, HIDDEN]``: computed by the hidden reference, or enough to replay its questions.
HIDDEN: Final = Meta(description="Null in a learner's result.", extra={"hidden": True})


class Frozen(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of every record: immutable, and strict when read back. Each subclass is keyword-only."""


@cache
def hidden_fields(kind: type[Frozen]) -> frozenset[str]:
    """The names of a record's fields that a learner does not get to see."""
    hints = get_type_hints(kind, include_extras=True)
    return frozenset(name for name, hint in hints.items() if get_origin(hint) is Annotated and HIDDEN in get_args(hint))
