"""The JSON Schema of a result, kept in docs/: ``python -m grader.result.schema`` writes it, ``--check`` compares."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from grader.result.record import Result

PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "result.schema.json"


def schema() -> str:
    """The schema as it is to be written: indented, sorted, ending in a newline."""
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | msgspec.json.schema(Result)
    return json.dumps(described, indent=2, sort_keys=True) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the file is now, or with ``--check`` was, up to date; else 1."""
    parser = argparse.ArgumentParser(prog="python -m grader.result.schema", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    parser.add_argument("-o", "--output", metavar="FILE", type=Path, default=PATH)
    options = parser.parse_args(arguments)
    if not options.check:
        options.output.write_text(schema(), "utf-8")
        return 0
    if options.output.is_file() and options.output.read_text("utf-8") == schema():
        return 0
    sys.stderr.write(f"{options.output.name} is stale; write it again with: python -m grader.result.schema\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
