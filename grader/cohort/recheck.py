"""Recorded verdicts reached again, many at a time: which rewards would be others with this grader."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from grader.cohort.batch import bounded_lines, submission_of_line
from grader.cohort.entries import read_entries
from grader.cohort.pool import Backend, Graded, NotGraded, Setup, Task, setup_of
from grader.errors import UsageError
from grader.exercise.model import Exercise
from grader.files.printable import one_line
from grader.grading.options import Options
from grader.hand_ins.read_hand_ins import read_hand_in
from grader.jobs import Asked
from grader.limits import CERTIFICATE_MAX_BYTES, RECHECK_QUESTION_MAX_SECONDS, RESULT_MAX_BYTES
from grader.result.certificate import Certificate, faults, is_certificate, read_certificate
from grader.result.lines import (
    ErrorKind,
    LineError,
    LineUnreadable,
    RecheckLine,
    ResultLine,
    Worth,
    compared,
    read_attempt,
    read_result_line,
    result_line,
    worth,
)
from grader.result.record import Result, Trace, from_json
from grader.submission.read import Submission, submission_of

EXPECTED = "expected result.json of a grade, results.jsonl of a batch, a certificate, or a directory of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A verdict that was recorded.

    Attributes:
        name: the submission's; it is part of the result.
        trace: of the result, where the whole of it is there.
        certificate: where the submission comes with the result.
    """

    id: str
    source: str
    line: ResultLine
    name: str
    trace: tuple[Trace, ...] | None = None
    certificate: Certificate | None = None


class Recordings:
    """All verdicts that are recorded in some files and directories.

    Attributes:
        ignored: files of directories that hold none.
        unreadable: what is no verdict that could be reached again, and why.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self.ignored = 0
        self.unreadable: list[str] = []
        for path in self._paths:
            if not path.exists():
                raise UsageError(f"no such file or directory: {str(path)!r}; {EXPECTED}")

    def __iter__(self) -> Iterator[Recorded]:
        """Each of them. Raises ``UsageError`` for a file that was named and holds none."""
        for path in self._paths:
            if not path.is_dir():
                yield from self._in_file(path)
                continue
            for file in sorted(path.rglob("*")):
                if file.suffix in (".json", ".jsonl") and file.is_file() and not file.is_symlink():
                    try:
                        yield from self._in_file(file)
                    except UsageError:
                        self.ignored += 1

    def _in_file(self, path: Path) -> Iterator[Recorded]:
        try:
            if path.suffix == ".jsonl":
                yield from self._in_lines(path)
                return
            with path.open("rb") as file:
                data = file.read(max(RESULT_MAX_BYTES, CERTIFICATE_MAX_BYTES) + 1)
        except OSError as error:
            raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None
        certificate, result = _decoded(path, data)
        if result.environment.seed is None:
            self.unreadable.append(f"{path}: a learner's view, which holds no seed; expected the instructor's")
            return
        name = result.candidate.name
        line = result_line(name[:200] or "candidate", 1, result, result.seconds)
        yield Recorded(
            id=line.id or name, source=str(path), line=line, name=name, trace=result.trace, certificate=certificate
        )

    def _in_lines(self, path: Path) -> Iterator[Recorded]:
        with path.open("rb") as file:
            for number, data in bounded_lines(file):
                try:
                    line = read_result_line(data or b"")
                except LineUnreadable as problem:
                    raise UsageError(f"line {number} of {str(path)!r} is no result ({problem}); {EXPECTED}") from None
                if line.origin is not None and line.id is not None and line.error is None:
                    yield Recorded(id=line.id, source=str(path), line=line, name=one_line(line.id))


def require_submissions(paths: Iterable[Path]) -> None:
    """Complain where nothing can be graded again: verdicts are recorded, and none of them with its submission.

    Raises:
        UsageError: naming where submissions are said to be.
    """
    without = 0
    for one in Recordings(paths):
        if one.certificate is not None:
            return
        without += 1
    if without:
        raise UsageError(
            f"{without} recorded verdict{'s' * (without != 1)}, and no submission to grade again: a result holds its "
            "hash alone; say where the submissions are with --submissions: the JSONL of the batch, a directory or an "
            "archive of them"
        )


def _decoded(path: Path, data: bytes) -> tuple[Certificate | None, Result]:
    try:
        if is_certificate(data):
            certificate = read_certificate(data)
            return certificate, certificate.result
        return None, from_json(data)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"{str(path)!r} is no result ({one_line(str(error))[:300]}); {EXPECTED}") from None


@dataclass(slots=True)
class Submissions:
    """Submissions by the hash of their files.

    Those of JSONL files stay there until they are wanted; those of directories are held.
    """

    _held: dict[str, Submission] = field(default_factory=dict)
    _lines: dict[str, tuple[Path, int, int]] = field(default_factory=dict)  # file, offset and length of a line

    @classmethod
    def in_places(cls, places: Iterable[Path]) -> "Submissions":
        """All in these JSONL files, directories and archives. Raises ``UsageError`` where there are none."""
        found = cls()
        for place in places:
            if place.suffix == ".jsonl":
                found._add_lines(place)
            else:
                found._add_all(place)
        return found

    def find(self, sha256: str) -> Submission | None:
        """The one whose files have this hash."""
        if sha256 not in self._lines:
            return self._held.get(sha256)
        path, offset, length = self._lines[sha256]
        with contextlib.suppress(OSError, LineUnreadable, UsageError), path.open("rb") as file:
            file.seek(offset)
            return submission_of_line(read_attempt(file.read(length)), path.resolve().parent)
        return None

    def _add_lines(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                end = 0
                for _, data in bounded_lines(file):
                    end = file.tell()
                    if data is None:
                        continue
                    with contextlib.suppress(LineUnreadable, UsageError, OSError):
                        submission = submission_of_line(read_attempt(data), path.resolve().parent)
                        self._lines.setdefault(submission.sha256, (path, end - len(data), len(data)))
        except OSError as error:
            raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from None

    def _add_all(self, path: Path) -> None:
        if path.is_dir() and os.path.lexists(path / "model.py"):
            submissions: list[Submission | None] = [read_hand_in(path)]
        else:
            submissions = [entry.submission for entry in read_entries(path).found]
        for submission in submissions:
            if submission is not None:
                self._held.setdefault(submission.sha256, submission)


@dataclass(slots=True)
class Tally:
    """What a recheck has found."""

    lines: int = 0
    graded: int = 0
    other_rewards: int = 0
    other_verdicts: int = 0  # the same reward, and an item with another verdict
    same_results: int = 0
    missing: int = 0  # not found, or not of this exercise, or a certificate that does not hold together
    unjudged: int = 0
    differs: dict[str, int] = field(default_factory=dict)

    def add(self, line: RecheckLine) -> None:
        """Count one more."""
        self.lines += 1
        for what in line.differs:
            self.differs[what] = self.differs.get(what, 0) + 1
        if line.error is not None:
            unjudged = line.error.kind is ErrorKind.NOT_JUDGED
            self.unjudged += unjudged
            self.missing += not unjudged
            return
        self.graded += 1
        self.other_rewards += line.same_reward is False
        self.other_verdicts += bool(line.same_reward and line.items)
        self.same_results += bool(line.same_result)


@dataclass(frozen=True, slots=True)
class Rechecks:
    """What is graded again, and how.

    Attributes:
        options: the isolation; and the time limit, None for the recorded one up to a minute.
    """

    exercise: Exercise
    submissions: Submissions
    isolation: Options
    timeout: float | None

    def run(
        self,
        recorded: Iterable[Recorded],
        backend: Callable[[Setup], AbstractContextManager[Backend]],
        tell: Callable[[RecheckLine], None],
    ) -> Tally:
        """Grade each as it was graded, and compare.

        Args:
            backend: makes what grades.
            tell: is given each as it is done; those that cannot be graded again on the way.

        Raises:
            CannotJudge: the machine cannot grade any submission.
        """
        tally = Tally()

        def told(line: RecheckLine) -> None:
            tally.add(line)
            tell(line)

        with backend(setup_of(self.exercise, self.isolation, None)) as several:
            for about, graded in several.grade(self._asked(recorded, told)):
                told(_compared(about, graded))
        return tally

    def examine(self, recorded: Iterable[Recorded], tell: Callable[[RecheckLine], None]) -> Tally:
        """Grade nothing: say of each certificate whether it holds together, and of all others that it takes a grade."""
        tally = Tally()
        for one in recorded:
            if one.certificate is None:
                line = _refused(one, ErrorKind.LINE, "no certificate: without grading nothing of it can be checked")
            elif found := faults(one.certificate):
                line = _refused(one, ErrorKind.LINE, "; ".join(found))
            else:
                line = _about(one)
            tally.add(line)
            tell(line)
        return tally

    def _asked(
        self, recorded: Iterable[Recorded], tell: Callable[[RecheckLine], None]
    ) -> Iterator[Asked[Recorded, Task]]:
        for one in recorded:
            if problem := self._problem(one):
                tell(problem)
                continue
            submission = self._submission(one)
            if submission is None:
                tell(_refused(one, ErrorKind.SUBMISSION, "no submission with this hash; name where it is"))
                continue
            yield Asked(one, Task(submission=replace(submission, name=one.name), options=self._options(one)))

    def _problem(self, one: Recorded) -> RecheckLine | None:
        """Why it cannot be reached again, if there is a reason in itself."""
        origin = one.line.origin
        assert origin is not None, one
        if one.certificate is not None and (found := faults(one.certificate)):
            return _refused(one, ErrorKind.LINE, "; ".join(found))
        if origin.exercise != self.exercise.rubric.id:
            reason = f"of the exercise {origin.exercise!r}, not {self.exercise.rubric.id!r}; name it with --exercise"
            return _refused(one, ErrorKind.LINE, reason)
        try:
            self.exercise.asked(origin.asked.only, followups=origin.asked.followups)
        except UsageError as error:
            return _refused(one, ErrorKind.LINE, one_line(str(error)))
        return None

    def _submission(self, one: Recorded) -> Submission | None:
        if one.certificate is not None:
            candidate = one.certificate.result.candidate
            return submission_of(one.name, one.certificate.files, candidate.notes, one.certificate.tests)
        assert one.line.origin is not None, one
        return self.submissions.find(one.line.origin.submission)

    def _options(self, one: Recorded) -> Options:
        origin = one.line.origin
        assert origin is not None, one
        return replace(
            self.isolation,
            only=origin.asked.only,
            followups=origin.asked.followups,
            seed=origin.seed,
            shared=origin.asked.shared,
            thorough=origin.asked.thorough,
            timeout=self.timeout or min(origin.asked.timeout, RECHECK_QUESTION_MAX_SECONDS),
            explain=origin.explained,
        )


def _compared(one: Recorded, graded: Graded | NotGraded) -> RecheckLine:
    if isinstance(graded, NotGraded):
        return _refused(one, ErrorKind.NOT_JUDGED, one_line(graded.reason))
    try:
        result = from_json(graded.result)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        reason = f"what came back is no result that can be read ({one_line(str(error))[:300]})"
        return _refused(one, ErrorKind.NOT_JUDGED, reason)
    assert one.line.origin is not None, one
    if result.candidate.sha256 != one.line.origin.submission:
        return _refused(one, ErrorKind.NOT_JUDGED, "what came back is the result of another submission")
    here = result_line(one.id, one.line.line, result, graded.seconds)
    return compared(one.id, one.source, one.line, here, _other_traces(one.trace, result.trace))


def _other_traces(recorded: tuple[Trace, ...] | None, here: tuple[Trace, ...] | None) -> tuple[str, ...] | None:
    if recorded is None or here is None:
        return None
    old, new = ({trace.comparison: trace.answers for trace in traces} for traces in (recorded, here))
    return tuple(name for name in old | new if old.get(name) != new.get(name))


def _about(one: Recorded) -> RecheckLine:
    """What is recorded, with nothing beside it."""
    assert one.line.origin is not None, one
    recorded: Worth = worth(one.line)
    return RecheckLine(id=one.id, source=one.source, submission=one.line.origin.submission, recorded=recorded)


def _refused(one: Recorded, kind: ErrorKind, reason: str) -> RecheckLine:
    return msgspec.structs.replace(_about(one), error=LineError(kind=kind, message=reason[:1000]))
