"""The ways in which a program can be put in other words; by name alone, for code that parses nothing."""

from enum import StrEnum


class Way(StrEnum):
    """One way to say a thing otherwise."""

    NUMBERS = "numbers"  # 1 is int("1") or sum((3, -2))
    ATTRIBUTES = "attributes"  # x.size is getattr(x, "ezis"[::-1])
    GLOBALS = "globals"  # f is what globals() has under that name
    OPERANDS = "operands"  # x + 1 is 1 + x, x < 1 is 1 > x
    KEYWORDS = "keywords"  # f(a=1, b=2) is f(b=2, a=1)
    BRANCHES = "branches"  # a if c else b is b if not c else a
    RETURNS = "returns"  # what is returned has a name first
    LOCALS = "locals"  # a local has another name
