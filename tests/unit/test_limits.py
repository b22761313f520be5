"""Limits are written once, and their names say in what they are counted."""

import ast
import re
from collections import Counter
from pathlib import Path

from grader import limits

ROOT = Path(__file__).resolve().parents[2] / "grader"
NAMES = {name for name in vars(limits) if name.isupper()}
UNITS = re.compile(r"SECONDS|BYTES|FACTOR|RATIO|CHARACTERS|(MAX|PARDONED|UNREADABLE|JOB)_[A-Z_]+")


def assigned(path: Path) -> set[str]:
    """The constants that a module's top gives a value."""
    statements = ast.parse(path.read_text("utf-8")).body
    targets: list[ast.expr] = [node.target for node in statements if isinstance(node, ast.AnnAssign)]
    targets += [target for node in statements if isinstance(node, ast.Assign) for target in node.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def test_a_name_has_its_unit() -> None:
    assert {name for name in NAMES if not UNITS.search(name)} == {"DEFAULT_ISOLATION", "SEED_BOUND"}


def test_each_is_asked_for_and_written_nowhere_else() -> None:
    modules = [path for path in ROOT.rglob("*.py") if path != ROOT / "limits.py"]
    uses = Counter(name for path in modules for name in set(re.findall(r"\b[A-Z][A-Z_]+\b", path.read_text("utf-8"))))

    assert NAMES - uses.keys() == set()
    assert {str(path): found for path in modules if (found := assigned(path) & NAMES)} == {}


def test_no_module_has_a_time_or_a_patience_of_its_own_that_does_not_say_in_what() -> None:
    vague = {"PATIENCE", "PATIENT", "TIMEOUT", "LIMIT", "GRACE", "PAUSE", "LONGEST_QUESTION", "BUDGET"}
    found = {str(path.relative_to(ROOT)): assigned(path) & vague for path in ROOT.rglob("*.py")}

    assert {path: names for path, names in found.items() if names} == {"report/drawing.py": {"LIMIT"}}
