"""The JSON Schemas that are kept in docs/: ``python -m grader.result.schema`` writes them, ``--check`` compares."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from grader.result.certificate import Certificate
from grader.result.lines import AttemptLine, RecheckLine, ResultLine
from grader.result.record import Result

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
LINES: Final = (AttemptLine, ResultLine, RecheckLine)


def result_schema() -> dict[str, Any]:
    """Of a result."""
    return {"$schema": DIALECT} | msgspec.json.schema(Result)


def batch_schema() -> dict[str, Any]:
    """Of the lines of JSONL files and of a certificate, each under its name: ``#/$defs/AttemptLine``."""
    _, components = msgspec.json.schema_components(LINES)
    _, certificates = msgspec.json.schema_components([Certificate])
    components["Certificate"] = certificates["Certificate"]
    components["Certificate"]["properties"]["result"] = {"$ref": "result.schema.json"}
    # Which of two fields a line has is said by no type.
    components["AttemptLine"]["oneOf"] = [
        {"required": [name], "properties": {name: {"not": {"type": "null"}}, other: {"type": "null"}}}
        for name, other in (("path", "files"), ("files", "path"))
    ]
    return {"$schema": DIALECT, "$defs": components}


SCHEMAS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "result.schema.json": result_schema,
    "batch.schema.json": batch_schema,
}


def text_of(name: str) -> str:
    """A schema as it is to be written: indented, sorted, ending in a newline."""
    return json.dumps(SCHEMAS[name](), indent=2, sort_keys=True) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the files are now, or with ``--check`` were, up to date; else 1."""
    parser = argparse.ArgumentParser(prog="python -m grader.result.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    parser.add_argument("-o", "--output", metavar="DIR", type=Path, default=DOCS)
    options = parser.parse_args(arguments)
    stale = 0
    for name in SCHEMAS:
        path: Path = options.output / name
        if not options.check:
            path.write_text(text_of(name), "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != text_of(name):
            sys.stderr.write(f"{name} is stale; write it again with: python -m grader.result.schema\n")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
