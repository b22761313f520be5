"""The built-in exercise: which bugs, and gaps for all extensions, turn reference/ into candidate/.

python -m grader.injection.builtin            writes candidate/ and reference/key.json, and proves the exercise sound
python -m grader.injection.builtin --check    exits 1 when one of them is stale; measures nothing
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from grader.exercise.key import Key
from grader.exercise.model import Exercise, read_rubric
from grader.exercise.starter import WHERE, readme
from grader.injection.choose import Chosen, Mutant, mutants, planted
from grader.injection.folder import to_json
from grader.injection.observe import Observation, Observer, answerable
from grader.injection.rubric_and_key import bug_entry, certificate, hashes, stub_entry
from grader.injection.verify import complaints, prove
from grader.limits import DEFAULT_ISOLATION
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher
from mutations.catalogue import operator
from mutations.errors import SiteError
from mutations.gaps import find_gaps
from mutations.source import Source

ROOT: Final = Path(__file__).resolve().parents[2]
FILES: Final = ("model.py", "followups.py", "train.py")
BUGS: Final = (  # item, operator
    ("masking", "mask-peeks-one-ahead"),
    ("position", "position-sum-discarded"),
    ("projection", "projection-to-model-width"),
    ("training-step", "optimizer-never-steps"),
)
SEEDS: Final = (1, 2, 3)  # on which each bug has to be seen
MEASURED: Final = ("shows_in", "killed_by", "effect", "difficulty")
NOT_MEASURED: Final = Observation(shows_in=(), killed_by=(), crashes_in=(), effect=0.0, detections=())

Observe = Callable[[Mutant], Observation]


def make_key(reference: Mapping[str, str], observe: Observe = lambda _: NOT_MEASURED) -> Key:
    """What key.json holds, for the texts of the reference by file name; the proof is yet to come."""
    chosen = {item: Chosen(mutant, observe(mutant)) for item, mutant in _mutants(reference).items()}
    return Key(
        bugs=tuple(
            bug_entry(item, bug, [other.seen for other in chosen.values() if other is not bug])
            for item, bug in chosen.items()
        ),
        stubs=tuple(
            stub_entry(gap) for gap in find_gaps({file: Source(file, text) for file, text in reference.items()})
        ),
        hashes=hashes(reference),
    )


def _mutants(reference: Mapping[str, str]) -> dict[str, Mutant]:
    """The bug of each item, at the one site that it has."""
    found = {}
    for item, operator_id in BUGS:
        sites = list(mutants(reference, [operator(operator_id)]))
        if len(sites) != 1:
            raise SiteError(f"operator={operator_id!r} has {len(sites)} sites, expected 1")
        found[item] = sites[0]
    return found


def proven_key(root: Path) -> Key:
    """The key with what is measured of each bug, and the proof that the exercise is sound."""
    reference = read_reference(root)
    with Launcher(DEFAULT_ISOLATION, [root / "reference"]) as launcher:
        worker_pool = WorkerPool(launcher)
        gaps = [stub.edit for stub in make_key(reference).stubs]
        checks, _ = answerable(worker_pool, reference, planted(reference, gaps), SEEDS[0])
        observer = Observer(worker_pool, reference, checks, SEEDS)
        key = make_key(reference, lambda mutant: observer.observe(mutant.files(reference)))
        worker_pool.close()
        rubric = read_rubric(root / "reference")
        rows = list(prove(Exercise(reference, "", rubric, key), launcher, SEEDS[0], lambda _: None))
        found = [complaints(row, {item.id: item.points for item in rubric.item}) for row in rows]
        assert not any(found), f"the built-in exercise is not sound: {found!r}"
        return msgspec.structs.replace(key, certificate=certificate(launcher, SEEDS, rows))


def generated_files(root: Path, key: Key) -> dict[Path, str]:
    """Every generated file under a root, with the text that it should hold."""
    edits = [entry.edit for entry in (*key.bugs, *key.stubs)]
    files = {root / "candidate" / file: text for file, text in planted(read_reference(root), edits).items()}
    files[root / "candidate" / "README.md"] = readme(read_rubric(root / "reference"), WHERE, files=FILES, built_in=True)
    files[root / "reference" / "key.json"] = to_json(key)
    return files


def read_reference(root: Path) -> dict[str, str]:
    """The texts of the reference, by file name."""
    return {file: (root / "reference" / file).read_bytes().decode() for file in FILES}


def stale_files(root: Path) -> list[Path]:
    """The generated files that are missing or hold something else; what is measured of the bugs is not looked at."""
    expected = generated_files(root, make_key(read_reference(root)))
    return [path for path, text in expected.items() if not path.is_file() or _differ(path, text)]


def _differ(path: Path, text: str) -> bool:
    found = path.read_bytes().decode()
    return _unmeasured(found) != _unmeasured(text) if path.name == "key.json" else found != text


def _unmeasured(text: str) -> Any:
    """A key.json without what depends on the machine; None if it is none."""
    try:
        key = json.loads(text)
        key["bugs"] = [{name: bug[name] for name in bug if name not in MEASURED} for bug in key["bugs"]]
    except (ValueError, KeyError, TypeError):
        return None
    key.pop("certificate", None)
    return key


def main(arguments: Sequence[str] | None = None) -> None:
    """Generate candidate/ and reference/key.json from reference/."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a generated file is stale")
    if parser.parse_args(arguments).check:
        stale = stale_files(ROOT)
        for path in stale:
            sys.stdout.write(f"stale: {path.relative_to(ROOT)}\n")
        if stale:
            sys.exit(1)
        return
    for path, text in generated_files(ROOT, proven_key(ROOT)).items():
        if not path.is_file() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
            sys.stdout.write(f"written: {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
