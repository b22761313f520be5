"""A submission in memory: imported without any file on disk, and what its code raises, by its own files and lines."""

import importlib
import importlib.util
import linecache
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType, TracebackType
from typing import Final

from grader.sandbox.questions import ADAPTER, Frame
from grader.sandbox.worker.contract import ContractAdapter
from grader.sandbox.worker.watching import settings
from grader.sandbox.worker.written_adapter import WrittenAdapter

PACKAGE = "submission"
CONTRACT = ("model", "train")
_WRITTEN = "adapter_of_the_exercise"


class SourcePackage(MetaPathFinder, InspectLoader):
    """Serves ``{file name: source}`` as the package ``submission``.

    Files may import each other relatively (``from .helpers import f``) or by plain name
    (``import helpers``); both give the same module. Installed modules win over a file of the same plain
    name, because this finder stands last: torch must never find a file of the submission's where it looks for a
    library. ``model`` and ``train`` are the submission's whatever is installed.

    Args:
        adapter: the exercise's adapter.py, for a package that keeps no contract; whatever the files have under its name
            is left out.
    """

    def __init__(self, files: Mapping[str, str], adapter: str | None = None) -> None:
        self._adapter_text = adapter
        if adapter is not None:
            files = {**files, ADAPTER: adapter}
        self._sources = {f"{PACKAGE}.{name.removesuffix('.py')}": text for name, text in files.items()}
        self._sources[PACKAGE] = files.get("__init__.py", "")
        self.changed: dict[str, str] = {}  # torch's settings, by the module whose import has changed them

    def install(self) -> None:
        """Make the package importable in this process."""
        sys.meta_path.insert(0, _Contract(self))
        sys.meta_path.append(self)

    def module(self, name: str) -> ModuleType:
        """The submission's module ``name`` ("model" or "train"), imported on first use.

        With an adapter.py a package may do without train.py: its loop is in model.py then.
        """
        if name == "train" and self.has_adapter and f"{PACKAGE}.train" not in self._sources:
            name = "model"
        return importlib.import_module(f"{PACKAGE}.{name}")

    @property
    def has_adapter(self) -> bool:
        """Whether it keeps no contract, but is called as an adapter.py says."""
        return self._adapter_text is not None

    @cached_property
    def adapter(self) -> ContractAdapter | WrittenAdapter:
        """How the package is built, called and trained."""
        if self._adapter_text is None:
            return ContractAdapter(self.module)
        # A copy of its own: what a submission does to the module that it can import is not seen here.
        written = ModuleType(_WRITTEN)
        sys.modules[_WRITTEN] = written  # where dataclasses look for what their annotations mean
        exec(self.source_to_code(self._adapter_text, ADAPTER), vars(written))
        return WrittenAdapter(self.module, written)

    def filenames(self) -> frozenset[str]:
        """File names as they stand in tracebacks."""
        return frozenset(self._filename(name) for name in self._sources)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self._sources:
            return importlib.util.spec_from_loader(
                fullname, self, origin=self._filename(fullname), is_package=fullname == PACKAGE
            )
        if path is None and f"{PACKAGE}.{fullname}" in self._sources:
            return importlib.util.spec_from_loader(fullname, _Alias(f"{PACKAGE}.{fullname}"))
        return None

    def get_source(self, fullname: str) -> str:
        return self._sources[fullname]

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._sources[fullname], self._filename(fullname))

    def exec_module(self, module: ModuleType) -> None:
        """Import it, and note what it makes of torch's settings, unless another that it imports does."""
        before, known = settings(), len(self.changed)
        super().exec_module(module)
        if len(self.changed) == known and settings() != before:
            self.changed[module.__name__] = settings()

    def settings_changed(self, *, by_train: bool) -> str:
        """Torch's settings as train.py, or any other file, has left them when it was imported; empty for as before."""
        left = (text for name, text in self.changed.items() if (name == f"{PACKAGE}.train") is by_train)
        return next(left, "")

    def is_package(self, fullname: str) -> bool:
        return fullname == PACKAGE

    @staticmethod
    def _filename(fullname: str) -> str:
        return "__init__.py" if fullname == PACKAGE else fullname.removeprefix(f"{PACKAGE}.") + ".py"


class _Contract(MetaPathFinder):
    """Finds ``model`` and ``train`` before anything that is installed."""

    def __init__(self, package: SourcePackage) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        served = fullname in CONTRACT or (fullname == "adapter" and self._package.has_adapter)
        return self._package.find_spec(fullname, path, target) if served else None


class _Alias(InspectLoader):
    """Answers a plain ``import helpers`` with the module ``submission.helpers``."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # importlib has just overwritten the module's spec with the alias's.
        module.__spec__ = self._spec

    def get_source(self, fullname: str) -> str | None:
        return None


MAX_MESSAGE: Final = 2000
MAX_FRAMES: Final = 8
_OUR_NAME: Final = re.compile(r"\bsubmission\.(?=[A-Za-z_])")


def message_of(error: BaseException) -> str:
    """What an exception says, or that it cannot."""
    try:
        # The author of model.py does not know of a module submission.model.
        return _OUR_NAME.sub("", sendable(str(error)))[:MAX_MESSAGE]
    except BaseException:
        return "(its message could not be read)"


def own_frames(package: SourcePackage, trace: TracebackType | None, *others: str) -> list[traceback.FrameSummary]:
    """The frames of a traceback that lie in the package's files, or in ``others``."""
    own = package.filenames().union(others)
    return [frame for frame in traceback.extract_tb(trace) if frame.filename in own]


def places(package: SourcePackage, error: BaseException) -> tuple[Frame, ...]:
    """Where in the package's files it was raised, innermost last; of a text that cannot be read, where not."""
    found = [
        Frame(file=frame.filename, line=frame.lineno or 0, column=_column(frame), function=sendable(frame.name))
        for frame in own_frames(package, error.__traceback__)
    ]
    if isinstance(error, SyntaxError) and error.filename in package.filenames() and error.lineno:
        found.append(Frame(file=error.filename, line=error.lineno, column=max(error.offset or 0, 0)))
    return tuple(found[-MAX_FRAMES:])


def _column(frame: traceback.FrameSummary) -> int:
    """Where in its line a frame is, in characters: Python counts bytes."""
    if frame.colno is None or frame.lineno is None:
        return 0
    line = linecache.getline(frame.filename, frame.lineno).encode("utf-8", "replace")
    return len(line[: frame.colno].decode("utf-8", "replace")) + 1


def sendable(text: str) -> str:
    """Without lone surrogates, which no encoding carries."""
    return text.encode("utf-8", "replace").decode()
