"""Who imports whom: the directions that the design draws, read off the source without running it."""

import ast
import subprocess
import sys
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


def test_the_sandbox_knows_nothing_of_the_rest() -> None:
    assert breaking(inside("grader.sandbox"), "grader.sandbox") == {}


def test_the_lock_stands_alone() -> None:
    assert breaking(inside("grader.sandbox.lock"), "grader.sandbox.lock") == {}


def test_the_report_knows_the_record_alone() -> None:
    assert (
        breaking(inside("grader.report"), "grader.report", "grader.record", "grader.recheck", "grader.printable") == {}
    )


def test_the_formats_know_the_record_and_the_words_of_the_report_alone() -> None:
    known = ("formats", "record", "audience", "printable", "report.words", "report.verdict", "report.grid", "report")

    assert breaking(inside("grader.formats"), *(f"grader.{part}" for part in known)) == {}


def test_checks_know_nothing_of_points_or_of_how_they_are_judged() -> None:
    forbidden = ("rubric", "exercise", "lattice", "grade", "judge", "search", "report", "commands", "cli")
    found = {
        module: sorted(name for name in ours(module) if within(name, *(f"grader.{part}" for part in forbidden)))
        for module in inside("grader.checks")
    }

    assert {module: names for module, names in found.items() if names} == {}


def test_the_mutation_engine_imports_nothing_of_the_grader() -> None:
    assert breaking(inside("mutations")) == {}


def test_only_the_command_line_imports_the_commands() -> None:
    importing = {module for module in MODULES if any(within(name, "grader.commands") for name in ours(module))}

    assert {module for module in importing if not within(module, "grader.commands")} == set(
        inside("grader.arguments")
    ) - {"grader.arguments", "grader.arguments.shared"}


@pytest.mark.parametrize("module", ["grader.cli", *inside("grader.arguments")])
def test_the_command_line_imports_nothing_heavy_before_it_knows_what_to_do(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    top = {
        name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name is not None
    }
    light = ("grader.arguments", "grader.errors", "grader.interruption")

    assert {name for name in top if within(name, "grader") and not within(name, *light)} <= {"grader"}
    assert all(within(name, "grader") or name.split(".")[0] in sys.stdlib_module_names for name in top)


@pytest.mark.parametrize("name", ["reference", "candidate", "tests", "model", "train"])
def test_what_is_hidden_cannot_be_imported_from_an_installation(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-c", f"import {name}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)

    assert done.returncode == 1
    assert f"ModuleNotFoundError: No module named '{name}'" in done.stderr
