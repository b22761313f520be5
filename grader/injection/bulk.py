"""Exercises in bulk: one for each of many seeds, several at a time, in a directory that a later run goes on with.

::

    bulk.json         what is built of every seed, and with what; another bulk does not go on in this directory
    manifest.jsonl    a line for each seed that is done
    seed-7/           an exercise: starter/ and reference/

A folder is written beside its place and renamed, and its line is added after that. So a run may be killed at any
moment: what has a line is whole, and what has none is built again.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from grader import __version__
from grader.errors import CannotJudge, UsageError
from grader.files.digest import grader_digest
from grader.files.write import check_place, held, make_private, write_atomically
from grader.injection.bulk_job import MESSAGES, Done, Failed, Seed, Setup
from grader.injection.choose import Sources
from grader.injection.manifest import NAME, Entry, Manifest, folder_of, hashes_of, without_exercise
from grader.injection.recipe import Recipe, with_seed
from grader.injection.rubric_and_key import hashes
from grader.injection.verify import LEFT_BY_RUNNING
from grader.jobs import Asked, Jobs, Work
from grader.limits import BULK_SEED_SECONDS
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
            make_private(directory)  # solutions are in it
            with contextlib.ExitStack() as stack:
                stack.enter_context(held(self._directory, "builds in"))
                self.manifest = self._begin()
                self._hold = stack.pop_all()
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
        self._hold.close()

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
            with Jobs(_building(setup), jobs) as pool:
                for seed, done in pool.answers(Asked(seed, Seed(seed=seed)) for seed in self.left(seeds)):
                    entry = done.entry if isinstance(done, Done) else without_exercise(seed, "failed", done.reason)
                    for changed in self.manifest.add(entry):
                        if changed.status == "duplicate":
                            self._remove(folder_of(changed.seed))
                    tell(self.manifest.entries[entry.seed])
        finally:
            self.manifest.write()

    def _begin(self) -> Manifest:
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


def _building(setup: Setup) -> Work[Seed, Done, Failed]:
    return Work(
        module="grader.injection.bulk_job",
        messages=MESSAGES,
        setup=setup,
        called="built",
        done=Done,
        failed=Failed,
        limit=lambda _: BULK_SEED_SECONDS,
        is_last=lambda done: done.last,
    )
