"""All checks, in the order in which they are asked."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Final

from grader.checks.check import Check
from grader.checks.families import (
    attention,
    attention_surroundings,
    classifier,
    clipping,
    determinism,
    heads,
    initialisation,
    kv_cache,
    learning_rate,
    loss,
    loss_weighting,
    masking,
    modes,
    normalisation,
    numerics,
    numerics_stability,
    optimizer,
    position,
    position_schemes,
    position_schemes_properties,
    projection,
    ragged,
    registration,
    training_loop,
)

FAMILIES: Final[tuple[ModuleType, ...]] = (
    projection,
    registration,
    initialisation,
    masking,
    attention,
    attention_surroundings,
    heads,
    position,
    normalisation,
    numerics,
    training_loop,
    learning_rate,
    clipping,
    optimizer,
    loss,
    determinism,
    modes,
    kv_cache,
    numerics_stability,
    ragged,
    position_schemes,
    position_schemes_properties,
    classifier,
    loss_weighting,
)


def checks_of(module: ModuleType) -> tuple[Check, ...]:
    """The checks that a module defines, in the order in which it does."""
    found = (value for value in vars(module).values() if isinstance(value, Check))
    return tuple(check for check in found if check.holds.__module__ == module.__name__)


def _in_order() -> Iterator[Check]:
    """Family by family, but for those that are asked right after one of another family."""
    following: defaultdict[str | None, list[Check]] = defaultdict(list)
    for module in FAMILIES:
        for check in checks_of(module):
            following[check.after].append(check)

    def with_those_after(checks: list[Check]) -> Iterator[Check]:
        for check in checks:
            yield check
            yield from with_those_after(following[check.id])

    return with_those_after(following[None])


CHECKS: Final[tuple[Check, ...]] = tuple(_in_order())
MEASURED_BY: Final = tuple(check for check in CHECKS if not check.costly)  # what bugs are tried against before planting
BY_ID: Final = {check.id: check for check in CHECKS}


def of_family(family: str, checks: Iterable[Check] = CHECKS) -> list[Check]:
    """The checks of a family, which are those made for bugs of the category of that name."""
    return [check for check in checks if check.family == family]
