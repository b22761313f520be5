"""What is asked of a new exercise."""

from dataclasses import dataclass

from grader.key import Bucket

DEFAULT_BUGS = 4
MAX_BUGS = 6  # 2^k variants are proven for k bugs


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to build.

    Attributes:
        seed: which bugs, at which sites, in which order.
        bugs: how many.
        operators: which, instead of how many.
        difficulty: of each bug; None for any.
        keep_extensions: leave cache, classifier and heads built, so that bugs can be planted in them too.
    """

    seed: int = 0
    bugs: int = DEFAULT_BUGS
    operators: tuple[str, ...] = ()
    difficulty: Bucket | None = None
    keep_extensions: bool = False
