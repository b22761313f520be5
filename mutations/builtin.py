"""The built-in exercise: which bugs, and gaps for all extensions, turn reference/ into candidate/.

python -m mutations.builtin            writes candidate/model.py, candidate/train.py and reference/key.json
python -m mutations.builtin --check    exits 1 when one of them is stale
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mutations.catalogue import operator
from mutations.edit import Edit, splice
from mutations.errors import SiteError
from mutations.gaps import find_gaps
from mutations.source import Source

ROOT = Path(__file__).resolve().parent.parent
FILES = ("model.py", "train.py")
KEY_FORMAT = 1

BUGS = (  # item, operator
    ("masking", "mask-peeks-one-ahead"),
    ("position", "position-sum-discarded"),
    ("projection", "projection-to-model-width"),
    ("training-step", "optimizer-never-steps"),
)


def make_key(reference: Mapping[str, str]) -> dict[str, Any]:
    """What key.json holds, for the texts of the reference by file name."""
    sources = {file: Source(file, text) for file, text in reference.items()}
    return {
        "format": KEY_FORMAT,
        "bugs": [_bug(item, operator_id, reference) for item, operator_id in BUGS],
        "stubs": [{"item": gap.item, **gap.edit.to_dict()} for gap in find_gaps(sources)],
        "hashes": {file: hashlib.sha256(text.encode()).hexdigest() for file, text in reference.items()},
    }


def make_starter(reference: Mapping[str, str], key: Mapping[str, Any]) -> dict[str, str]:
    """The texts handed to the learner, by file name: every bug planted, every gap open."""
    edits = [Edit.from_dict(entry) for entry in (*key["bugs"], *key["stubs"])]
    return {file: splice(text, (edit for edit in edits if edit.file == file)) for file, text in reference.items()}


def generated_files(root: Path) -> dict[Path, str]:
    """Every generated file under a root, with the text that it should hold."""
    reference = {file: (root / "reference" / file).read_bytes().decode() for file in FILES}
    key = make_key(reference)
    files = {root / "candidate" / file: text for file, text in make_starter(reference, key).items()}
    files[root / "reference" / "key.json"] = json.dumps(key, indent=2, sort_keys=True) + "\n"
    return files


def stale_files(files: Mapping[Path, str]) -> list[Path]:
    """The files that are missing or hold something else."""
    return [path for path, text in files.items() if not path.is_file() or path.read_bytes() != text.encode()]


def _bug(item: str, operator_id: str, reference: Mapping[str, str]) -> dict[str, Any]:
    planted = operator(operator_id)
    sites = planted.find(reference[planted.file])
    if len(sites) != 1:
        raise SiteError(f"operator={operator_id!r} has {len(sites)} sites in {planted.file}, expected 1")
    return {
        "item": item,
        "operator": planted.id,
        "category": planted.category,
        "hints": planted.hints,
        "shows_in": ["training" if planted.file == "train.py" else "forward"],
        **sites[0].to_dict(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate candidate/ and reference/key.json from reference/."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a generated file is stale")
    check: bool = parser.parse_args(arguments).check
    files = generated_files(ROOT)
    stale = stale_files(files)
    for path in stale:
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}\n")
        if not check:
            path.write_bytes(files[path].encode())
    if check and stale:
        sys.exit(1)


if __name__ == "__main__":
    main()
