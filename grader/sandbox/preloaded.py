"""Libraries that the model of an exercise is built on: imported once, in the launcher, where an adapter.py asks for it.

A locked worker could import them too, each anew and for longer than all it is asked. Only what is listed here is
imported outside the lock: an exercise may be a stranger's.
"""

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from grader.sandbox.lock.interpreter import InterpreterPaths
from grader.sandbox.questions import ADAPTER

LIBRARY: Final = "transformers"
# Read off the text: what stands in an adapter.py runs in workers alone.
_IMPORTS: Final = re.compile(r"^IMPORTS *= *(?:\(([^()]*)\)|(.*))$", re.MULTILINE)
_QUOTED: Final = re.compile(r"""["']([^"'\n]*)["']""")
_ALLOWED: Final = re.compile(rf"{LIBRARY}(\.models\.\w+\.configuration_\w+)?")
# What its models import, and what these import when they are first used.
_WITH_IT: Final = (
    "modeling_utils", "cache_utils", "generation", "initialization", "integrations", "masking_utils", "modeling_layers",
    "modeling_outputs", "modeling_rope_utils", "processing_utils", "pytorch_utils", "utils.output_capturing",
)  # fmt: skip
# It asks no hub, says only what fails, and starts no threads.
_ENVIRONMENT: Final = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "USE_HUB_KERNELS": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}
_READ_OF_MODELS: Final = ("__init__.py", "auto")


def imports_of(adapter: str | None) -> tuple[str, ...]:
    """The modules that the IMPORTS of an adapter.py name, by its text.

    Raises:
        ValueError: one of them is none that can be imported ahead.
    """
    found = None if adapter is None else _IMPORTS.search(adapter)
    if found is None:
        return ()
    names = tuple(_QUOTED.findall(found[1] if found[1] is not None else found[2]))
    for name in names:
        if not _ALLOWED.fullmatch(name):
            raise ValueError(
                f"IMPORTS of {ADAPTER} names {name!r}; expected {LIBRARY!r} or a configuration in it, such as "
                f"'{LIBRARY}.models.gpt2.configuration_gpt2'. Anything else that is installed can be imported as it is"
            )
    return names


def what_is_missing(adapter: str | None) -> str:
    """What has to be installed for an adapter.py, or is wrong with its IMPORTS; empty where nothing is."""
    try:
        names = imports_of(adapter)
    except ValueError as error:
        return str(error)
    if names and find_spec(LIBRARY) is None:
        return f"it needs {LIBRARY}, which is not installed: pip install 'gpt-bug-grader[{LIBRARY}]'"
    return ""


def check_each(names: Iterable[str]) -> None:
    """Raise ``ValueError`` for a module that is not to be imported ahead."""
    for name in names:
        if not _ALLOWED.fullmatch(name):
            raise ValueError(f"{name!r} is not imported ahead")


def import_ahead(names: Iterable[str]) -> None:
    """Import these modules, and what the library's models are made of. Raises ``ImportError``, ``ValueError``."""
    names = tuple(names)
    check_each(names)
    os.environ.update(_ENVIRONMENT)
    _stand_in_for_tracing()
    for name in (*(f"{LIBRARY}.{module}" for module in _WITH_IT), *names):
        importlib.import_module(name)
    # Of each class it would write documentation into, it asks in which file on the disk that lies.
    for name in (f"{LIBRARY}.utils", f"{LIBRARY}.utils.auto_docstring"):
        vars(sys.modules[name]).update(auto_docstring=_undocumented)


def without_library(python: InterpreterPaths) -> InterpreterPaths:
    """The same paths without the library: an exercise that does not ask for it is not to be solved with it."""
    return replace(python, allowed=tuple(path for path in python.allowed if path.name != LIBRARY))


def without_originals(python: InterpreterPaths) -> InterpreterPaths:
    """The same paths without the library's own models: a submission that could read one would have the solution."""
    package = Path(str(sys.modules[LIBRARY].__file__)).resolve().parent
    models = package / "models"
    allowed = [path for path in python.allowed if path != package]
    allowed += [path for path in sorted(package.iterdir()) if path != models]
    allowed += [models / name for name in _READ_OF_MODELS]
    return InterpreterPaths(allowed=tuple(allowed), listed=(*python.listed, package))


def _undocumented(documented: Any = None, **_: Any) -> Any:
    """``@auto_docstring`` and ``@auto_docstring(...)``, each giving the function or class itself."""
    return documented if documented is not None else lambda each: each


def _stand_in_for_tracing() -> None:
    """Of torch._dynamo, which workers do without, the library wants a context that matters to compilers alone."""
    name = "torch._dynamo._trace_wrapped_higher_order_op"
    module = ModuleType(name, _stand_in_for_tracing.__doc__)
    vars(module).update(TransformGetItemToIndex=contextlib.nullcontext)
    sys.modules.setdefault(name, module)
