"""Which torch this is, in the same words everywhere."""

import re
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_ASSIGNED: Final = re.compile(r"""^__version__\s*(?::[^=]*)?=\s*["']([^"']+)["']""", re.MULTILINE)


@cache
def torch_version() -> str:
    """What ``torch.__version__`` is, read without importing torch: ``2.13.0+cu130``.

    The metadata that pip reads lacks the build behind the plus sign where the package index does not take it, as it
    does for the standard builds: ``2.13.0``. It counts only where torch says nothing itself.

    Raises:
        PackageNotFoundError: torch is not installed.
    """
    spec = find_spec("torch")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / "version.py"
        if path.is_file() and (found := _ASSIGNED.search(path.read_text("utf-8"))):
            return found[1]
    return version("torch")
