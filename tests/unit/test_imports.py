"""Who imports whom: the directions that the design draws, read off the source without running it."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("grader", "mutations")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
}


@cache
def nodes(module: str) -> tuple[ast.AST, ...]:
    """All of the module's tree."""
    return tuple(ast.walk(ast.parse(MODULES[module].read_text("utf-8"))))


@cache
def imports(module: str) -> tuple[str, ...]:
    """The full names of all modules that ``module`` imports anywhere; of ``from a import b`` both a and a.b."""
    return tuple(_imports(module))


def _imports(module: str) -> Iterator[str]:
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def inside(*packages: str) -> list[str]:
    """All modules of these packages."""
    found = [module for module in MODULES if within(module, *packages)]
    assert found, packages
    return found


def ours(module: str) -> set[str]:
    """What it imports of the grader, down to modules; names inside a module count as the module."""
    names = set()
    for name in imports(module):
        if within(name, "grader"):
            while name not in MODULES:
                name = name.rpartition(".")[0]
            names.add(name)
    return names - {"grader"}


def breaking(modules: list[str], *allowed: str) -> dict[str, list[str]]:
    """By module, what it imports of the grader outside ``allowed``."""
    found = {module: sorted(name for name in ours(module) if not within(name, *allowed)) for module in modules}
    return {module: names for module, names in found.items() if names}


def importing(modules: Iterable[str], *forbidden: str) -> dict[str, list[str]]:
    """By module, what it imports of what is forbidden."""
    found = {module: [name for name in imports(module) if within(name, *forbidden)] for module in modules}
    return {module: names for module, names in found.items() if names}


def test_nothing_imports_the_candidate_or_the_reference() -> None:
    assert importing(MODULES, "candidate", "reference", "model", "train") == {}


def test_nothing_can_run_data_as_code() -> None:
    forbidden = ["pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "multiprocessing"]
    forbidden += ["runpy", "code", "codeop", "symtable"]

    assert importing(MODULES, *forbidden) == {}
    assert importing(MODULES, "ast") == {"mutations.rewording": ["ast"]}  # which a locked worker alone calls; see below


# What turns text or a name into code that runs, or takes it apart as if it would.
RUNNING = {"compile", "exec", "eval", "__import__"}
LOADING = {
    "import_module", "exec_module", "load_module", "module_from_spec", "spec_from_file_location", "source_to_code",
    "run_path", "run_module", "parse_module", "parse_statement", "parse_expression", "literal_eval",
}  # fmt: skip


def runs_code(module: str) -> list[str]:
    """The calls in ``module`` that run, load or parse code, by name."""
    calls = [node.func for node in nodes(module) if isinstance(node, ast.Call)]
    names = {call.id for call in calls if isinstance(call, ast.Name)} & (RUNNING | LOADING)
    return sorted(names | {call.attr for call in calls if isinstance(call, ast.Attribute)} & LOADING)


def test_code_is_run_in_the_worker_alone() -> None:
    # A submission's text reaches none of the two others: they read a reference, and the operators beside them.
    allowed = {
        "mutations.source": ["parse_module"],
        "mutations.catalogue": ["import_module"],
        "grader.sandbox.preloaded": ["import_module"],  # in the launcher: the modules that it lists, and no others
    }
    others = [module for module in MODULES if not within(module, "grader.sandbox.worker")]

    assert {module: calls for module in others if (calls := runs_code(module))} == allowed
    assert runs_code("grader.sandbox.worker.serve") == ["compile", "exec"]


def test_a_submission_is_taken_apart_in_a_worker_alone() -> None:
    parsing = {module for module in MODULES if "mutations.rewording" in imports(module)}

    assert parsing == {"grader.sandbox.worker.mutants"}
    assert [name for module in inside("grader.own_tests") for name in imports(module) if within(name, "libcst")] == []
    assert {name for module in inside("grader.own_tests") for name in imports(module) if within(name, "mutations")} == {
        "mutations.edit",
        "mutations.edit.Edit",
        "mutations.edit.splice",
        "mutations.errors",
        "mutations.errors.SpliceError",
        "mutations.ways",
        "mutations.ways.Way",
    }


def test_only_the_launcher_and_the_worker_import_torch() -> None:
    others = [module for module in MODULES if not within(module, "grader.sandbox.launcher", "grader.sandbox.worker")]

    assert importing(others, "torch") == {}


# What each room of the house may import of the others: the list runs down, so that no circle can come to be.
ROOMS = {
    "__main__": "cli",
    "cli": "assistant environments api cohort live review learner injection grading exercise comparisons packages "
    "hand_ins report submission result preconditions sandbox files seeds limits errors mutations",
    "assistant": "learner exercise report submission result files errors",
    "environments": "api injection exercise submission result preconditions files limits errors",
    "api": "cohort injection grading exercise hand_ins submission result preconditions sandbox seeds limits errors",
    "live": "report submission result files limits errors",
    "review": "exercise checks report submission result files errors mutations",
    "learner": "grading exercise submission result files seeds limits errors",
    "injection": "cohort grading exercise comparisons checks packages submission result jobs sandbox files seeds "
    "limits errors mutations",
    "cohort": "grading exercise hand_ins report submission result jobs sandbox files seeds limits errors",
    "grading": "own_tests exercise comparisons checks packages submission result sandbox files seeds sizes limits "
    "errors",
    "own_tests": "exercise comparisons checks packages submission result sandbox files seeds limits mutations",
    "exercise": "comparisons checks sandbox files limits errors mutations",
    "comparisons": "checks packages result sandbox seeds",
    "checks": "packages result sandbox seeds sizes",
    "packages": "result sandbox sizes limits errors",
    "hand_ins": "submission files limits errors",
    "report": "result files",
    "submission": "result files limits errors",
    "result": "files limits",
    "jobs": "sandbox files limits errors",
    "preconditions": "sandbox errors",
    "sandbox": "limits mutations",
    "files": "errors",
    "seeds": "limits errors",
    "sizes": "",
    "limits": "",
    "errors": "",
}


def test_imports_run_down_one_list() -> None:
    order = list(ROOMS)
    up = {
        room: [other for other in below.split() if other in order[: order.index(room) + 1]]
        for room, below in ROOMS.items()
    }
    here = {module.split(".")[1] for module in inside("grader") if "." in module}

    assert {room: others for room, others in up.items() if others} == {}
    assert here == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_it_may(room: str) -> None:
    allowed = ["mutations" if other == "mutations" else f"grader.{other}" for other in ROOMS[room].split()]
    modules = inside(f"grader.{room}")
    engine = {} if "mutations" in allowed else importing(modules, "mutations")

    assert breaking(modules, f"grader.{room}", *allowed) == {}
    assert engine == {}


@pytest.mark.parametrize("room", [room for room, below in ROOMS.items() if below])
def test_nothing_is_allowed_that_is_not_needed(room: str) -> None:
    used = {name.split(".")[1] for module in inside(f"grader.{room}") for name in ours(module)} - {room}
    used |= {"mutations"} if importing(inside(f"grader.{room}"), "mutations") else set()

    assert set(ROOMS[room].split()) <= used


def test_what_checks_are_written_with_knows_no_check() -> None:
    shared = [module for module in inside("grader.checks") if not within(module, "grader.checks.families")]

    assert importing(shared, "grader.checks.families").keys() == {"grader.checks.catalogue"}


def test_the_lock_stands_alone() -> None:
    assert breaking(inside("grader.sandbox.lock"), "grader.sandbox.lock") == {}


def test_the_mutation_engine_imports_nothing_of_the_grader() -> None:
    assert breaking(inside("mutations")) == {}


def imported_at_once(module: str) -> set[str]:
    """What importing ``module`` imports first: the statements at its top, outside of functions and conditions."""
    names = set()
    for node in ast.parse(MODULES[module].read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= whole & MODULES.keys() or {node.module}
    return names


def test_the_command_line_imports_nothing_heavy_before_it_knows_what_to_do() -> None:
    reached: set[str] = set()
    waiting = {"grader.cli.main"}
    while waiting:
        module = waiting.pop()
        reached.add(module)
        if module in MODULES:
            waiting |= imported_at_once(module) - reached
    ours = {name for name in reached if within(name, "grader")}

    assert {name for name in ours if not within(name, "grader.cli")} == {
        "grader",
        "grader.errors",
        "grader.files.printable",
        "grader.limits",
    }
    assert {name for name in reached - ours if name.split(".")[0] not in sys.stdlib_module_names} == set()


@pytest.mark.parametrize("name", ["reference", "candidate", "tests", "model", "train"])
def test_what_is_hidden_cannot_be_imported_from_an_installation(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-c", f"import {name}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)

    assert done.returncode == 1
    assert f"ModuleNotFoundError: No module named '{name}'" in done.stderr


# Names that more than one module has: what such a module is about is a topic, seen from several sides.
COMMANDS = {path.stem for path in (ROOT / "grader" / "cli").glob("*.py") if "\ndef add(" in path.read_text("utf-8")}
TOPICS = COMMANDS | {
    "catalogue", "classifier", "errors", "exhibits", "limits", "matrix", "mutants", "options", "recheck", "results",
    "training",
}  # fmt: skip


def test_no_two_modules_have_a_name_in_common_that_is_no_topic() -> None:
    names = Counter(MODULES[module].stem for module in inside("grader") if MODULES[module].stem != "__init__")

    assert {name for name, times in names.items() if times > 1} <= TOPICS


def test_no_folder_has_more_modules_than_can_be_taken_in() -> None:
    sizes = Counter(MODULES[module].parent for module in inside("grader"))

    assert {str(folder): size for folder, size in sizes.items() if size > 25} == {}
