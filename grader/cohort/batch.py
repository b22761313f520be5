"""JSONL in, JSONL out: each line a submission, graded side by side, and for each a line that says what came of it.

A run may be ended at any moment, by ``kill -9`` too: a line is written at once, and half a line at the end of the file
counts for nothing.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec

from grader.cohort.pool import Backend, Graded, NotGraded, Setup, Task, setup_of
from grader.errors import CannotJudge, UsageError
from grader.exercise.model import Exercise
from grader.files.digest import grader_digest
from grader.files.printable import one_line
from grader.files.write import is_left_over, lock
from grader.grading.options import Options
from grader.hand_ins.read_hand_ins import read_hand_in
from grader.jobs import Asked
from grader.limits import BATCH_LINE_MAX_BYTES
from grader.result.lines import (
    AttemptLine,
    ErrorKind,
    LineError,
    LineUnreadable,
    Origin,
    ResultLine,
    read_attempt,
    read_result_line,
    result_line,
    to_line,
)
from grader.result.record import from_json
from grader.submission.read import Submission, read_files

TOO_LONG: Final = f"it is longer than {BATCH_LINE_MAX_BYTES >> 20} MiB, which no submission is"


def bounded_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Each line that is not empty, with its number from 1 on; None for one that is too long to be held in memory."""
    number = 0
    while data := stream.readline(BATCH_LINE_MAX_BYTES + 1):
        number += 1
        if len(data) > BATCH_LINE_MAX_BYTES:
            while data and not data.endswith(b"\n"):
                data = stream.readline(BATCH_LINE_MAX_BYTES)
            yield number, None
        elif data.strip():
            yield number, data


def submission_of_line(attempt: AttemptLine, beside: Path) -> Submission:
    """What a line hands in; a relative path is one from ``beside``. Raises ``UsageError``."""
    if attempt.path is not None:
        if "\0" in attempt.path:
            raise UsageError(f"path={attempt.path!r}; expected a directory or an archive")
        return replace(read_hand_in(beside / attempt.path), name=one_line(attempt.id))
    assert attempt.files is not None, attempt
    for name in attempt.files:
        # Nothing is ever written by that name; but what is in a folder would not be read, and nobody would be told.
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise UsageError(f"files has the name {name[:100]!r}; expected plain names such as 'model.py'")
    return read_files(attempt.files, name=one_line(attempt.id))


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A line whose submission is being graded, and what stands for what was asked."""

    id: str
    line: int
    request: bytes
    seed: int | None


@dataclass(slots=True)
class Counts:
    """How many lines came to what."""

    kept: int = 0  # graded by an earlier run
    judged: int = 0
    errors: Counter[ErrorKind] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)  # the first few, in words


COMPLAINTS: Final = 5  # that are kept to be shown


@dataclass(frozen=True, slots=True)
class Batch:
    """What is graded, how, and where what comes of it goes.

    Attributes:
        source: the lines.
        beside: where paths are looked for.
        options: of each line that does not say otherwise.
    """

    source: BinaryIO
    beside: Path
    exercise: Exercise
    options: Options
    results: "ResultsFile"
    counts: Counts = field(default_factory=Counts)

    def run(
        self, backend: Callable[[Setup], AbstractContextManager[Backend]], tell: Callable[[ResultLine], None]
    ) -> Counts:
        """Grade every line that has no verdict yet; each gets a line in the results, in the order in which they end.

        Args:
            backend: makes what grades.
            tell: is given each line that is written.

        Raises:
            CannotJudge: the machine cannot grade any submission, or the results cannot be written.
        """
        with backend(setup_of(self.exercise, self.options, None)) as several:
            for about, graded in several.grade(self._asked(tell)):
                self._put(_line_of(about, graded), tell)
        self.results.finish()
        return self.counts

    def _asked(self, tell: Callable[[ResultLine], None]) -> Iterator[Asked[_UnderWay, Task]]:
        """What is to be graded. Lines that cannot be are answered on the way, and those that were are passed over."""
        seen: set[bytes] = set()
        for number, data in bounded_lines(self.source):
            try:
                if data is None:
                    raise LineUnreadable(TOO_LONG)
                attempt = read_attempt(data)
                if (known := _key(attempt.id)) in seen:
                    raise LineUnreadable(f"an earlier line has the id {attempt.id!r} too; expected one for each line")
                seen.add(known)
                options = self._options_of(attempt)
            except LineUnreadable as problem:
                self._put(_refusal(None, number, ErrorKind.LINE, str(problem)), tell)
                continue
            try:
                submission = submission_of_line(attempt, self.beside)
            except (UsageError, OSError) as problem:
                self._put(_refusal(attempt.id, number, ErrorKind.SUBMISSION, one_line(str(problem))), tell)
                continue
            about = _UnderWay(attempt.id, number, _request(submission, options, self.exercise.sha256), options.seed)
            if self.results.has(about.id, about.request, about.seed):
                self.counts.kept += 1
                continue
            yield Asked(about, Task(submission=submission, options=options))

    def _options_of(self, attempt: AttemptLine) -> Options:
        """How a line's submission is graded. Raises ``LineUnreadable`` for what cannot be asked."""
        own = {name: value for name, value in msgspec.structs.asdict(attempt.options).items() if value is not None}
        if attempt.seed is not None:
            if self.options.shared:
                raise LineUnreadable("it has a seed of its own, and all share one; leave out one of the two")
            own["seed"] = attempt.seed
        options = replace(self.options, **own)
        try:
            self.exercise.asked(options.only, followups=options.followups)
        except UsageError as error:
            raise LineUnreadable(one_line(str(error))) from None
        return options

    def _put(self, line: ResultLine, tell: Callable[[ResultLine], None]) -> None:
        self.results.put(line)
        if line.error is None:
            self.counts.judged += 1
        else:
            self.counts.errors[line.error.kind] += 1
            if len(self.counts.complaints) < COMPLAINTS:
                which = f"line {line.line}" + (f", {line.id}" if line.id is not None else "")
                self.counts.complaints.append(f"{which}: {line.error.message}")
        tell(line)


class ResultsFile:
    """The file of results, open for one run at a time. Use as a context manager.

    Args:
        resume: whether it may hold results of an earlier run, which are then kept.

    Attributes:
        shared_seed: that of the earlier run, if its questions were the same for all.

    Raises:
        UsageError: the file is not to be used like this.
        CannotJudge: the machine does not let us write there.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        self._kept: dict[bytes, tuple[bytes, int]] = {}  # by id: what was asked, and with which seed
        self._overtaken = False
        self.shared_seed: int | None = None
        if not path.parent.is_dir():
            raise UsageError(f"cannot write {str(path)!r}: there is no directory {str(path.parent)!r}")
        if os.path.lexists(path) and not path.is_file():
            raise UsageError(f"cannot write {str(path)!r}: it is no regular file")
        try:
            for name in os.listdir(path.resolve().parent):
                if is_left_over(name, path.name):
                    os.unlink(path.resolve().parent / name)
            # For its owner alone: the seeds are in it.
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                lock(self._file, self._path, "is writing")
                if os.fstat(self._file).st_size and not resume:
                    raise UsageError(f"{str(path)!r} is not empty; go on with --resume, or name another file")
                self._rewrite(keep_errors=False)
            except BaseException:
                os.close(self._file)
                raise
        except OSError as error:
            raise CannotJudge(f"cannot write {str(path)!r}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def has(self, id: str, request: bytes, seed: int | None) -> bool:
        """Whether there is a verdict on this id, of the same submission asked in the same way."""
        kept = self._kept.get(_key(id))
        if kept is None:
            return False
        if kept[0] == request and seed in (None, kept[1]):
            return True
        self._overtaken = True  # what is there is about something else
        return False

    def put(self, line: ResultLine) -> None:
        """Write a line, whole. Raises ``CannotJudge``."""
        try:
            data = memoryview(to_line(line))
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            raise CannotJudge(f"cannot write {str(self._path)!r}: {error.strerror}; go on with --resume") from None

    def finish(self) -> None:
        """Take out what later lines have overtaken."""
        if self._overtaken:
            self._rewrite(keep_errors=True)

    def _rewrite(self, *, keep_errors: bool) -> None:
        """Write the file anew with the last line of each id, and without half a line at its end; as a whole."""
        last: dict[bytes, int] = {}  # of an id, by the number of its line
        for number, line in self._lines():
            if line.id is not None and (line.error is None or keep_errors):
                last[_key(line.id)] = number
        directory = self._path.resolve().parent
        descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=f".{self._path.name}.")  # for its owner alone
        try:
            lock(descriptor, self._path, "is writing")  # before it stands in the other's place
            self._kept.clear()
            with open(descriptor, "wb", closefd=False) as file:
                for number, line in self._lines():
                    is_last = line.id is not None and last.get(_key(line.id)) == number
                    if is_last or (keep_errors and line.id is None):
                        file.write(to_line(line))
                        self._remember(line)
            fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
            os.replace(temporary, self._path.resolve())
        except BaseException:
            os.close(descriptor)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        os.close(self._file)
        self._file = descriptor

    def _lines(self) -> Iterator[tuple[int, ResultLine]]:
        """The whole lines that are there. Raises ``UsageError`` for one that is none of a batch's."""
        with open(os.dup(self._file), "rb") as file:
            file.seek(0)
            for number, data in bounded_lines(file):
                if data is not None and not data.endswith(b"\n"):
                    return  # half of one
                try:
                    if data is None:
                        raise LineUnreadable(TOO_LONG)
                    yield number, read_result_line(data)
                except LineUnreadable as problem:
                    raise UsageError(
                        f"line {number} of {str(self._path)!r} is no result of a batch ({problem}); name another file"
                    ) from None

    def _remember(self, line: ResultLine) -> None:
        if line.id is None or line.origin is None or line.error is not None:
            return
        self._kept[_key(line.id)] = _request_of(line.origin), line.origin.seed
        if line.origin.asked.shared:
            self.shared_seed = line.origin.seed


def _line_of(about: _UnderWay, graded: Graded | NotGraded) -> ResultLine:
    if isinstance(graded, NotGraded):
        return _refusal(about.id, about.line, ErrorKind.NOT_JUDGED, one_line(graded.reason))
    try:
        line = result_line(about.id, about.line, from_json(graded.result), graded.seconds)
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        reason = f"what came back is no result that can be read ({one_line(str(error))[:300]})"
        return _refusal(about.id, about.line, ErrorKind.NOT_JUDGED, reason)
    assert line.origin is not None, line
    if _request_of(line.origin) != about.request or about.seed not in (None, line.origin.seed):
        reason = "what came back is the result of another submission, or of one that was graded in another way"
        return _refusal(about.id, about.line, ErrorKind.NOT_JUDGED, reason)
    return line


def _refusal(id: str | None, line: int, kind: ErrorKind, message: str) -> ResultLine:
    return ResultLine(id=id, line=line, error=LineError(kind=kind, message=message[:1000]))


def _key(id: str) -> bytes:
    """What stands for an id: of millions, the ids themselves would fill the memory."""
    return hashlib.blake2b(id.encode(), digest_size=16).digest()


def _request(submission: Submission, options: Options, exercise: str) -> bytes:
    """What stands for a submission and the way in which it is asked, but for the seed."""
    asked = options.only, options.followups, options.thorough, float(options.timeout), options.shared
    return _digest(submission.sha256, submission.tests_sha256, asked, exercise, grader_digest())


def _request_of(origin: Origin) -> bytes:
    """The same of what was asked."""
    asked = origin.asked
    how = asked.only, asked.followups, asked.thorough, asked.timeout, asked.shared
    return _digest(origin.submission, origin.tests, how, origin.integrity.exercise, origin.integrity.grader)


def _digest(*parts: object) -> bytes:
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=16).digest()
