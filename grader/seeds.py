"""Seeds that cannot be guessed: one secret a grade, and from it one seed for each purpose."""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

from grader.errors import UsageError
from grader.limits import SEED_BOUND

SHARED: Final = "shared"  # in place of a submission's hash: all that are graded with a seed get the same questions


@dataclass(frozen=True, slots=True)
class Seeds:
    """Derives seeds from the grade's seed and the submission's hash."""

    grade: int
    submission: str

    def derive(self, *purpose: object) -> int:
        """A 62-bit seed for one purpose."""
        text = f"{self.grade}|{self.submission}|{'|'.join(map(str, purpose))}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 2


def draw_seed() -> int:
    """A grade's seed, in secret."""
    return secrets.randbelow(SEED_BOUND)


def check_seed(seed: object) -> None:
    """Raises ``UsageError`` for what is no seed."""
    if type(seed) is not int or not 0 <= seed < SEED_BOUND:
        raise UsageError(f"seed={seed!r}; expected a whole number from 0 to 2**53 - 1")
