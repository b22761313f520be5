"""A model of an installed library: its source as a model.py of one's own, and what a first adapter.py says of it.

A bug has to lie in a file that is handed out, so that the file of the model becomes one; what it imports stays in the
library. It is read and never run here.
"""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import libcst as cst
from libcst import matchers as m

from grader.errors import UsageError
from grader.limits import SUBMISSION_FILE_MAX_BYTES
from mutations.source import Source

_RELATIVE: Final = re.compile(r"^( *from )(\.+)([\w.]*)( import )", re.MULTILINE)
_CONFIGURATION: Final = re.compile(r"transformers\.models\.\w+\.configuration_\w+")
_CACHE: Final = re.compile(r"cache|past_key_values")
_EXPECTED: Final = "expected a module with a model, such as 'transformers.models.gpt2.modeling_gpt2'"


class Configuration(NamedTuple):
    """A class of the library that its model is made from."""

    name: str
    module: str


def copied(module: str) -> str:
    """The source of an installed module, with full names for what it imports from beside itself.

    Raises:
        UsageError: there is no such module, or it cannot be read.
    """
    top, *below = module.split(".")
    if not all(part.isidentifier() for part in (top, *below)):
        raise UsageError(f"not the name of a module: {module!r}; {_EXPECTED}")
    spec = find_spec(top)
    if spec is None:
        raise UsageError(f"{top} is not installed beside the grader: {module!r}; {_EXPECTED}")
    folder = next(iter(spec.submodule_search_locations or ()), None)
    path = None if folder is None or not below else Path(folder).joinpath(*below).with_suffix(".py")
    if path is None or not path.is_file():
        raise UsageError(f"no such module: {module!r}; {_EXPECTED}")
    try:
        if path.stat().st_size > SUBMISSION_FILE_MAX_BYTES:
            raise UsageError(f"{module} is larger than {SUBMISSION_FILE_MAX_BYTES >> 10} KiB")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {module}: {error}") from None
    return _RELATIVE.sub(lambda found: _absolute(found, module.split(".")), text)


def _absolute(found: re.Match[str], module: Sequence[str]) -> str:
    start, dots, name, end = found.groups()
    above = module[: -len(dots)]
    return f"{start}{'.'.join([*above, *([name] if name else [])])}{end}" if above else found[0]


def configuration_of(source: Source) -> Configuration | None:
    """The configuration that a file imports from the library; None for a model of another kind."""
    for node in source.find(m.ImportFrom()):
        statement = cst.ensure_type(node, cst.ImportFrom)
        module = "" if statement.module is None else source.code(statement.module)
        if _CONFIGURATION.fullmatch(module) and not isinstance(statement.names, cst.ImportStar):
            return Configuration(str(statement.names[0].evaluated_name), module)
    return None


def decoding(source: Source, parameters: Sequence[str]) -> list[str]:
    """decode, pack and unpack for a model that takes and returns a DynamicCache; nothing for any other.

    Args:
        parameters: of its forward.
    """
    named = next((name for name in parameters if _CACHE.fullmatch(name)), None)
    if named is None or "use_cache" not in parameters or not source.find(m.ImportAlias(name=m.Name("DynamicCache"))):
        return []
    return [
        "def decode(net, tokens, cache):",
        "    from copy import deepcopy\n",
        f"    out = net(tokens, {named}=deepcopy(cache), use_cache=True)  # a cache is changed in place",
        f"    return out.logits, out.{named}",
        "\n\ndef pack(cache):",
        "    return [(layer.keys, layer.values) for layer in cache.layers]",
        "\n\ndef unpack(layers):",
        "    from transformers.cache_utils import DynamicCache\n",
        "    return DynamicCache(layers)",
    ]
