"""A second round beside the first: which candidate of an earlier cohort each candidate is, and what has changed."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grader.cohort.row import Row
from grader.cohort.store import stored_results
from grader.errors import UsageError

# What a platform puts around a person's name, with a number that is another one in the next assignment.
_NUMBERED: Final = re.compile(r"(?P<moodle>.+)_\d+|(?P<gradescope>.+) \(submission_\d+\)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The round before, as it lies beside this one.

    Attributes:
        was: what each candidate had then, by this round's folder.
        new: the folders of those that had nothing graded then.
        gone: those graded then that are not here now.
        unclear: the folders of those that more than one of the others could be: they count as new.
    """

    was: Mapping[str, Row]
    new: tuple[str, ...]
    gone: tuple[Row, ...]
    unclear: tuple[str, ...]

    def change(self, row: Row) -> float | None:
        """The points that a candidate has more than before; None where one of the two has none."""
        was = self.was.get(row.folder)
        if was is None or was.score is None or row.score is None:
            return None
        return round(row.score - was.score, 2)

    def item_change(self, row: Row, id: str) -> float | None:
        """The same of one item or follow-up; None too where it was not asked in both rounds."""
        was = self.was.get(row.folder)
        if was is None:
            return None
        now, then = (each.cells.get(id) or each.followups.get(id) for each in (row, was))
        return round(now.score - then.score, 2) if now is not None and then is not None else None


def read_round(directory: Path, exercise: str) -> tuple[Row, ...]:
    """The candidates that were graded in an earlier cohort on the exercise of that id.

    Raises:
        UsageError: there is no cohort in ``directory``, a result in it cannot be read, or is about another exercise.
    """
    shown = repr(str(directory))
    rows = []
    for folder, result in stored_results(directory):
        if result.exercise.id != exercise:
            raise UsageError(
                f"the cohort in {shown} is about the exercise {result.exercise.id!r}, and this one about {exercise!r}; "
                "expected two rounds of one exercise"
            )
        rows.append(Row.of(folder, result.candidate.name, result, ""))
    if not rows:
        raise UsageError(f"nothing was graded in the cohort in {shown}; expected one to show beside this one")
    return tuple(rows)


def beside(earlier: Sequence[Row], rows: Sequence[Row], people: Mapping[str, str]) -> Before:
    """Match the candidates of this round with those of an earlier one: by folder, else by person.

    A person is matched only where no one else in either round has that name: nothing is guessed.

    Args:
        people: by this round's folder, the person's name where a platform says one, without its number.
    """
    by_folder = {row.folder: row for row in earlier}
    was = {row.folder: by_folder[row.folder] for row in rows if row.folder in by_folder}
    left = [row for row in earlier if row.folder not in was]
    asking = {row.folder: people.get(row.folder) or row.title for row in rows if row.folder not in was}
    called = Counter(asking.values())
    named: dict[str, list[Row]] = {}
    for row in left:
        for name in _names(row.title):
            named.setdefault(name, []).append(row)
    taken = {row.folder for row in was.values()}
    unclear = []
    for folder, name in asking.items():
        found = [row for row in named.get(name, []) if row.folder not in taken]
        if len(found) == 1 and called[name] == 1:
            was[folder] = found[0]
            taken.add(found[0].folder)
        elif found:
            unclear.append(folder)
    return Before(
        was=was,
        new=tuple(row.folder for row in rows if row.folder not in was),
        gone=tuple(row for row in earlier if row.folder not in taken),
        unclear=tuple(unclear),
    )


def _names(title: str) -> set[str]:
    """What a person may be called who had that title: the title itself, and what it is without a platform's number."""
    found = _NUMBERED.fullmatch(title)
    return {title, found["moodle"] or found["gradescope"]} if found else {title}
