"""The directory of a cohort: what was asked of all, and for each candidate what came of it.

::

    cohort.json                      the seed, whom the reports are for, when it was begun; for its owner's eyes
    candidates/NAME/result.json      the instructor's result; that it is there says that NAME is done
    candidates/NAME/report.html
    index.html  near-copies.html     made anew at the end of each run, and so are
    results.csv  results.xlsx
    times.log                        how long each took; nothing else says it

Every file is written as a whole or not at all, so that a run can be ended at any moment.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from grader.errors import CannotJudge, UsageError
from grader.files.write import held, is_left_over, make_private, write_atomically
from grader.result.record import Audience, Feedback, Result, from_json
from grader.seeds import draw_seed

COHORT: Final = "cohort.json"
CANDIDATES: Final = "candidates"
INDEX: Final = "index.html"
NEAR_COPIES: Final = "near-copies.html"
TABLE: Final = "results.csv"
WORKBOOK: Final = "results.xlsx"
TIMES: Final = "times.log"
RESULT: Final = "result.json"
REPORT: Final = "report.html"
FORMAT: Final = 1


class Session(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """cohort.json."""

    format: int = FORMAT
    seed: int
    audience: Audience
    feedback: Feedback = Feedback.HINTS
    begun_at: str | None = None  # UTC, as 2026-11-29T19:04:10Z; None in cohorts from before this was kept


class Store:
    """A cohort's directory, open for one run at a time. Use as a context manager.

    Args:
        resume: whether it may hold an earlier run's results, which are then gone on with.
        seed: None for that of the earlier run, or one drawn in secret.

    Raises:
        UsageError: the directory is not to be used like this.
        CannotJudge: the machine does not let us write there.
    """

    def __init__(
        self,
        directory: Path,
        *,
        resume: bool,
        seed: int | None,
        audience: Audience,
        feedback: Feedback = Feedback.HINTS,
    ) -> None:
        self._directory = directory
        self.candidates = directory / CANDIDATES
        self._made = not directory.exists()
        try:
            before = _prepared(directory, resume)
            with contextlib.ExitStack() as stack:
                stack.enter_context(held(directory, "is grading into"))
                if before and self._kept() is None:
                    raise UsageError(f"{str(directory)!r} holds no cohort to go on with; name an empty directory")
                self._tidy()
                self._begun = self._kept() is None  # by this run
                session = self._begin(seed, audience, feedback)
                self.seed, self.begun_at = session.seed, session.begun_at
                self._hold = stack.pop_all()
        except OSError as error:
            raise CannotJudge(f"cannot write in {str(directory)!r}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._begun and isinstance(error, UsageError) and not os.listdir(self.candidates):
            # The command could not be carried out: nothing of it is to be in the way of the next one.
            self.candidates.rmdir()
            (self._directory / COHORT).unlink()
            if self._made and not os.listdir(self._directory):
                self._directory.rmdir()
        self._hold.close()

    def result(self, folder: str) -> Result | None:
        """The candidate's result, if there is one that can be read."""
        try:
            return from_json((self.candidates / folder / RESULT).read_bytes())
        except (OSError, ValueError, msgspec.ValidationError):
            return None

    def has_report(self, folder: str) -> bool:
        """Whether the candidate's report is there."""
        return (self.candidates / folder / REPORT).is_file()

    def put(self, folder: str, result: bytes, report: bytes) -> None:
        """Keep what came of a candidate. The result comes last: with it, the candidate is done."""
        (self.candidates / folder).mkdir(parents=True, exist_ok=True)
        self.put_report(folder, report)
        self.put_result(folder, result)

    def put_result(self, folder: str, result: bytes) -> None:
        """Keep a candidate's result."""
        write_atomically(self.candidates / folder / RESULT, result)

    def put_report(self, folder: str, report: bytes) -> None:
        """Keep a candidate's report, whose result is there."""
        write_atomically(self.candidates / folder / REPORT, report)

    def drop(self, folder: str) -> None:
        """Forget what came of a candidate: it is about another submission than the one that is there now."""
        # The result first: without it the rest counts for nothing.
        (self.candidates / folder / RESULT).unlink(missing_ok=True)
        shutil.rmtree(self.candidates / folder, ignore_errors=True)

    def put_summary(self, files: Mapping[str, bytes | None]) -> None:
        """Keep what is said of all candidates together, by the file's name; of what is None nothing stays."""
        for name, data in files.items():
            if data is None:
                (self._directory / name).unlink(missing_ok=True)
            else:
                write_atomically(self._directory / name, data)

    def note_time(self, folder: str, seconds: float) -> None:
        """Keep how long a candidate took."""
        with open(self._directory / TIMES, "a", encoding="utf-8") as file:
            file.write(f"{seconds:.2f} s\t{folder}\n")

    def _begin(self, seed: int | None, audience: Audience, feedback: Feedback) -> Session:
        """The seed of the run and when it was begun; from here on the directory says it."""
        kept = self._kept()
        if kept is None:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            seed = draw_seed() if seed is None else seed
            kept = Session(seed=seed, audience=audience, feedback=feedback, begun_at=now)
        elif seed not in (None, kept.seed):
            raise UsageError(
                f"--seed {seed}, but the cohort in {str(self._directory)!r} was begun with another; leave it out"
            )
        elif (kept.audience, kept.feedback) != (audience, feedback):
            for report in self.candidates.glob(f"*/{REPORT}"):  # written anew; first, in case this run is cut short
                report.unlink()
            kept = replace(kept, audience=audience, feedback=feedback)
        write_atomically(self._directory / COHORT, msgspec.json.encode(kept), private=True)
        self.candidates.mkdir(exist_ok=True)
        return kept

    def _kept(self) -> Session | None:
        try:
            return msgspec.json.decode((self._directory / COHORT).read_bytes(), type=Session)
        except (FileNotFoundError, ValueError, msgspec.ValidationError):
            return None

    def _tidy(self) -> None:
        """Remove what a killed run had only half written."""
        for folder in (self._directory, *_folders(self.candidates)):
            for name in os.listdir(folder):
                if any(is_left_over(name, of) for of in (COHORT, INDEX, NEAR_COPIES, TABLE, WORKBOOK, RESULT, REPORT)):
                    os.unlink(folder / name)


def stored_results(directory: Path) -> Iterator[tuple[str, Result]]:
    """Every result of a cohort that was graded before, by the candidate's folder.

    Raises:
        UsageError: there is no cohort in ``directory``, or a result in it cannot be read.
    """
    expected = "expected the directory that `grader cohort -o` wrote"
    if not (directory / COHORT).is_file():
        raise UsageError(f"no cohort in {str(directory)!r}; {expected}")
    for path in sorted(directory.glob(f"{CANDIDATES}/*/{RESULT}")):
        try:
            yield path.parent.name, from_json(path.read_bytes())
        except OSError as error:
            raise UsageError(f"cannot read {str(path)!r}: {error.strerror}; {expected}") from None
        except (ValueError, RecursionError, msgspec.ValidationError) as error:
            raise UsageError(f"cannot read {str(path)!r}: {error}; {expected}") from None


def row_id(folder: str) -> str:
    """The name of a candidate's line on the page of all."""
    return f"c-{folder}"


def way_back(folder: str) -> str:
    """The address of that line, seen from the candidate's report."""
    return f"../../{INDEX}#{quote(row_id(folder))}"


def _prepared(directory: Path, resume: bool) -> bool:
    """Make the directory if it is not there; whether an earlier run has left something in it."""
    if not directory.parent.is_dir():
        raise UsageError(f"cannot write {str(directory)!r}: there is no directory {str(directory.parent)!r}")
    make_private(directory)  # the results hold the seed, and reports what the reference computes
    # A run that was killed as it began leaves no more than this.
    holds_something = any(not is_left_over(name, COHORT) for name in os.listdir(directory))
    if holds_something and not resume:
        raise UsageError(
            f"{str(directory)!r} is not empty; go on with the cohort in it with --resume, or name another directory"
        )
    return holds_something


def _folders(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_dir()] if directory.is_dir() else []
