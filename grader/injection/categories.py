"""Which checks are about which kind of bug."""

from collections.abc import Iterable
from typing import Final

from grader.checks.catalogue import CHECKS
from grader.checks.check import Check
from mutations.operator import Category

FAMILIES: Final[dict[Category, tuple[str, ...]]] = {
    Category.MASKING: ("masking",),
    Category.ATTENTION: ("attention",),
    Category.HEADS: ("heads",),
    Category.POSITION: ("position",),
    Category.SCHEMES: ("schemes",),
    Category.PROJECTION: ("projection",),
    Category.REGISTRATION: ("registration",),
    Category.NORMALISATION: ("normalisation",),
    Category.NUMERICS: ("numerics", "stability"),
    Category.INITIALISATION: ("initialisation",),
    Category.KV_CACHE: ("cache",),
    Category.RAGGED: ("ragged",),
    Category.CLASSIFIER: ("classifier",),
    Category.WEIGHTING: ("weighting",),
    Category.LOSS: ("loss",),
    Category.TRAINING_LOOP: ("training",),
    Category.OPTIMIZER: ("optimizer",),
    Category.CLIPPING: ("clipping",),
    Category.LEARNING_RATE: ("learning_rate",),
    Category.MODES: ("modes",),
    Category.DETERMINISM: ("determinism",),
}


def family(check: Check) -> str:
    """The package that a check lives in."""
    return check.holds.__module__.split(".")[-2]


def own_checks(category: Category, checks: Iterable[Check] = CHECKS) -> list[Check]:
    """The checks made for bugs of a category."""
    return [check for check in checks if family(check) in FAMILIES[category]]
