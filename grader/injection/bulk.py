"""Exercises in bulk: one for each of many seeds, several at a time, in a directory that a later run goes on with.

::

    bulk.json         what is built of every seed, and with what; another bulk does not go on in this directory
    manifest.jsonl    a line for each seed that is done
    seed-7/           an exercise: starter/ and reference/

A folder is written beside its place and renamed, and its line is added after that. So a run may be killed at any
moment: what has a line is whole, and what has none is built again.
"""

import contextlib
import fcntl
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from grader import __version__
from grader.errors import CannotJudge, UsageError
from grader.files.digest import grader_digest
from grader.files.printable import one_line
from grader.files.write import check_place, write_atomically
from grader.injection.bulk_job import Done, Failed, Seed, Setup, receive, send
from grader.injection.manifest import NAME, Entry, Manifest, folder_of, hashes_of, without_exercise
from grader.injection.mutants import Sources
from grader.injection.recipe import Recipe, with_seed
from grader.injection.rubric_and_key import hashes
from grader.injection.verify import LEFT_BY_RUNNING
from grader.limits import BULK_JOB_END_SECONDS, BULK_SEED_SECONDS, JOB_TRIES
from grader.sandbox.control import Mode
from grader.sandbox.torch_version import torch_version

SETTINGS: Final = "bulk.json"
FORMAT: Final = 1


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """bulk.json: all that the bytes of a seed's exercise hang on.

    Attributes:
        recipe: with a seed of 0.
        reference: the hash of each file that bugs are planted in.
        code: the hash of the grader's own.
    """

    format: int = FORMAT
    recipe: Recipe
    reference: dict[str, str]
    grader: str
    code: str
    torch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is built of every seed.

    Attributes:
        recipe: its seed does not matter.
        hidden: the directory of the reference, which no worker may see.
    """

    recipe: Recipe
    reference: Sources
    hidden: Path
    isolation: Mode


class Bulk:
    """A directory of exercises, open for one run at a time. Use as a context manager.

    Raises:
        UsageError: the directory holds something else, or a bulk that was begun with other settings.
        CannotJudge: the machine does not let us write there.
    """

    def __init__(self, directory: Path, plan: Plan) -> None:
        self._directory = directory.resolve()
        self._plan = plan
        check_place(directory)
        self._made = not directory.exists()
        try:
            with contextlib.suppress(FileExistsError):
                directory.mkdir(mode=0o700)  # for its owner alone: solutions are in it
            if not directory.is_dir():
                raise UsageError(f"cannot write {str(directory)!r}: it is not a directory")
            self._lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self.manifest = self._begin()
            except BaseException:
                os.close(self._lock)
                raise
        except OSError as error:
            raise CannotJudge(f"cannot write in {str(directory)!r}: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, UsageError) and not self.manifest.entries:
            # The command could not be carried out: nothing of it is to be in the way of the next one.
            for name in (NAME, SETTINGS):
                (self._directory / name).unlink(missing_ok=True)
            if self._made and not os.listdir(self._directory):
                self._directory.rmdir()
        os.close(self._lock)

    def left(self, seeds: Iterable[int]) -> list[int]:
        """Those of these seeds that are yet to be built, in their order."""
        return sorted(seed for seed in seeds if seed not in self.manifest.entries)

    def build(self, seeds: Sequence[int], jobs: int, tell: Callable[[Entry], None]) -> None:
        """Build those of these seeds that are left, up to ``jobs`` at a time.

        Args:
            tell: is called with what came of each, as they are done.

        Raises:
            UsageError: no seed can be built like this: the reference is not right, or an operator is unknown.
            CannotJudge: the machine cannot build any.
        """
        setup = Setup(
            recipe=with_seed(self._plan.recipe, 0),
            reference=dict(self._plan.reference),
            hidden=str(self._plan.hidden),
            output=str(self._directory),
            isolation=self._plan.isolation,
        )
        try:
            with _Jobs(setup, jobs) as pool:
                for entry in pool.build(self.left(seeds)):
                    for changed in self.manifest.add(entry):
                        if changed.status == "duplicate":
                            self._remove(folder_of(changed.seed))
                    tell(self.manifest.entries[entry.seed])
        finally:
            self.manifest.write()

    def _begin(self) -> Manifest:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another run builds in {str(self._directory)!r}; wait until it has ended") from None
        settings = self._settings()
        path = self._directory / SETTINGS
        left_over = [name for name in os.listdir(self._directory) if name.startswith((f".{SETTINGS}.", f".{NAME}."))]
        for name in left_over:
            os.unlink(self._directory / name)
        if path.exists():
            self._require_same(settings)
        elif os.listdir(self._directory):
            raise UsageError(f"{str(self._directory)!r} is not empty, and no bulk was begun in it; name another one")
        write_atomically(path, msgspec.json.format(msgspec.json.encode(settings)) + b"\n")
        manifest = Manifest(self._directory)
        manifest.forget([seed for seed, entry in manifest.entries.items() if not self._is_done(entry)])
        whole = {entry.folder for entry in manifest.entries.values()}
        for name in os.listdir(self._directory):
            if name.startswith((".seed-", "seed-")) and name not in whole:  # of a run that was killed
                self._remove(name)
        return manifest

    def _settings(self) -> Settings:
        return Settings(
            recipe=with_seed(self._plan.recipe, 0),
            reference=hashes(self._plan.reference),
            grader=__version__,
            code=grader_digest(),
            torch=torch_version(),
        )

    def _require_same(self, settings: Settings) -> None:
        """A bulk that is gone on with with other settings would hold exercises that no single run makes."""
        path = self._directory / SETTINGS
        try:
            before = msgspec.json.decode(path.read_bytes(), type=Settings)
        except (ValueError, msgspec.ValidationError) as error:
            raise UsageError(f"{str(path)!r} is not of a bulk: {error}; name another directory") from None
        there, wanted = _flat(before), _flat(settings)
        other = [
            f"{name}={there[name]!r} instead of {wanted[name]!r}" for name in wanted if there[name] != wanted[name]
        ]
        if other:
            raise UsageError(
                f"the bulk in {str(self._directory)!r} was begun with {'; '.join(other)}; name another directory"
            )

    def _is_done(self, entry: Entry) -> bool:
        """Whether an entry of an earlier run holds: its folder is there, and holds what it held then."""
        if entry.status == "failed":
            return False
        if entry.status != "built":
            return True
        assert entry.hashes is not None, entry
        folder = self._directory / folder_of(entry.seed)
        try:
            files = {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file() and not set(LEFT_BY_RUNNING).intersection(path.relative_to(folder).parts)
            }
        except OSError:
            return False
        return hashes_of(files) == {"reference": entry.hashes.reference, "starter": entry.hashes.starter}

    def _remove(self, name: str) -> None:
        """Remove a folder, which at no moment is there with a part of its files."""
        gone = self._directory / f".{name.lstrip('.')}.gone"
        with contextlib.suppress(FileNotFoundError):
            os.rename(self._directory / name, gone)
        shutil.rmtree(gone, ignore_errors=True)


def _flat(settings: Settings) -> dict[str, object]:
    """The settings, the recipe's among them, by name."""
    plain: dict[str, object] = msgspec.to_builtins(settings)
    recipe = plain.pop("recipe")
    assert isinstance(recipe, dict)
    return plain | recipe


class _Jobs:
    """Up to ``most`` processes, each with a launcher of its own. Leaving it ends them all.

    The kernel ends them with the thread that made them, should this process be killed.
    """

    def __init__(self, setup: Setup, most: int) -> None:
        self._setup = setup
        self._most = most
        self._jobs: list[_Job] = []

    def build(self, seeds: Sequence[int]) -> Iterator[Entry]:
        """What came of each seed, in the order in which they are done."""
        waiting = deque((seed, 1) for seed in seeds)
        with selectors.DefaultSelector() as selector:
            while waiting or selector.get_map():
                while waiting and len(selector.get_map()) < self._most:
                    seed, number = waiting.popleft()
                    job = self._idle()
                    job.give(seed)
                    selector.register(job.connection, selectors.EVENT_READ, (job, seed, number))
                ready = [key.data for key, _ in selector.select(self._seconds_left())]
                overdue = [key.data for key in selector.get_map().values() if key.data[0].is_overdue]
                for job, seed, number in {id(data[0]): data for data in (*ready, *overdue)}.values():
                    selector.unregister(job.connection)
                    done = job.take()
                    if isinstance(done, Done):
                        if done.last:
                            self._end(job)
                        yield done.entry
                        continue
                    self._end(job)
                    if done.hopeless:
                        raise (UsageError if done.usage else CannotJudge)(done.reason)
                    if number < JOB_TRIES:
                        waiting.append((seed, number + 1))
                    else:
                        yield without_exercise(seed, "failed", done.reason)

    def _seconds_left(self) -> float:
        """Until the first job is overdue."""
        return max(0.0, min(job.deadline for job in self._jobs if job.busy) - time.monotonic())

    def _idle(self) -> "_Job":
        for job in self._jobs:
            if not job.busy:
                return job
        job = _Job(self._setup)
        self._jobs.append(job)
        return job

    def _end(self, job: "_Job") -> None:
        self._jobs.remove(job)
        job.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for job in self._jobs:
            job.hang_up()  # all of them first: each takes its time to end
        while self._jobs:
            self._end(self._jobs[-1])


class _Job:
    """One process, seen from the one that started it."""

    def __init__(self, setup: Setup) -> None:
        self.busy = False
        self.deadline = 0.0
        self.connection, theirs = socket.socketpair()
        self._stream = self.connection.makefile("rb")
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  closed in close()
        with theirs:
            module = [sys.executable, "-I", "-B", "-m", "grader.injection.bulk_job"]
            self._process = subprocess.Popen(
                [*module, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the bulk, which then ends its jobs
            )
        self._send(setup)

    @property
    def is_overdue(self) -> bool:
        """Whether its seed has taken too long."""
        return self.busy and time.monotonic() > self.deadline

    def give(self, seed: int) -> None:
        """Have it build the exercise of a seed."""
        self.busy, self.deadline = True, time.monotonic() + BULK_SEED_SECONDS
        self._send(Seed(seed=seed))

    def take(self) -> Done | Failed:
        """What came of it, once there is something to read on ``connection`` or it is overdue."""
        if self.is_overdue:
            return Failed(reason=f"the process that built it gave no answer for {BULK_SEED_SECONDS:g} s")
        try:
            message = receive(self._stream)
        except (OSError, msgspec.DecodeError) as error:
            return Failed(reason=f"the process that built it answered with no message of ours ({one_line(str(error))})")
        self.busy = False
        if isinstance(message, Done | Failed):
            return message
        return Failed(reason=f"the process that built it ended ({self._last_words()})")

    def hang_up(self) -> None:
        """Have it end: in order if it has nothing to do, else now, and with it its launcher and its workers."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        if self.busy:
            self._process.kill()

    def close(self) -> None:
        """Hang up, and see it end."""
        self.hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=BULK_JOB_END_SECONDS)
        self._process.kill()
        self._process.wait()
        self._stream.close()
        self.connection.close()
        self._log.close()

    def _send(self, message: Setup | Seed) -> None:
        with contextlib.suppress(OSError):  # that it has ended is seen when its answer is due
            send(self.connection, message)

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=BULK_JOB_END_SECONDS)
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return one_line(lines[-1])[:500] if lines else f"exit code {self._process.returncode}"
