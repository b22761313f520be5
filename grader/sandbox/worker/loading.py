"""Import a submission from memory, so that a worker needs no file of it on disk."""

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType

from grader.sandbox.questions import ADAPTER
from grader.sandbox.worker.contract_adapter import ContractAdapter
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
