"""The benchmark that grades somebody else's mutants: what it makes of them, and that it runs."""

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"
REFERENCE = ROOT / "reference"
MODULES = ("bench_survivors", "foreign_mutants", "places")

# Stands for mutmut: the mask lets a query see one token more; and two ways of writing what means the same.
ENGINE = """\
import libcst as cst


def one_more(node):
    if node.keyword is not None and node.keyword.value == "diagonal":
        yield node.with_changes(value=cst.Integer("2"))


def from_behind(node):
    if isinstance(node.func, cst.Attribute) and node.func.attr.value == "size":
        if isinstance(node.func.value, cst.Name) and node.func.value.value in ("tokens", "x"):
            yield node.with_changes(args=[cst.Arg(cst.parse_expression("-1"))])
            yield node


mutation_operators = [(cst.Arg, one_more), (cst.Call, from_behind)]
"""


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The benchmark, imported as a script in its directory imports."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("bench_survivors")
    for name in MODULES:
        sys.modules.pop(name, None)


def scopes(tree: ast.AST, above: str = "") -> Iterator[str]:
    """The qualified names of all functions and classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            name = f"{above}{node.name}"
            yield name
            yield from scopes(node, f"{name}.")


def test_every_place_of_the_reference_belongs_to_an_item_and_none_is_listed_that_is_gone(bench):
    places = sys.modules["places"]
    rubric = bench.builtin_exercise()
    known = {*rubric.items, *rubric.followups}
    for file, listed in places.PLACES.items():
        there = set(scopes(ast.parse((REFERENCE / file).read_text(encoding="utf-8"))))
        functions = {name for name in there if name.rpartition(".")[2].islower()}

        assert set(listed) - {""} <= there
        assert {place for named, place in places.WORDS if named == file} <= set(listed)
        assert all(places.items_of(file, name, "") <= known for name in functions)
    for words in places.WORDS.values():
        assert all(set(items.split()) <= known for _, items in words)


def test_a_place_that_nobody_listed_is_an_error(bench):
    with pytest.raises(KeyError, match=r"model\.py: GPT\.rewritten"):
        sys.modules["places"].items_of("model.py", "GPT.rewritten", "")


MASK, CACHE = {"masking": ["future-is-hidden failed"]}, {"kv-cache": ["cached-equals-full failed"]}
EXACT = {item: [f"{item}-is-exact failed"] for item in ("masking", "position", "projection")}
CRASH = {"projection": ["logits-width broken", "forward-runs broken"]}


@pytest.mark.parametrize(
    ("charged", "waiting", "unloaded", "expected"),
    [
        ({}, [], [], {"survived"}),
        (MASK, [], [], {"right"}),
        (MASK, ["kv-cache"], [], {"right"}),
        (MASK | CACHE, [], [], {"elsewhere"}),
        (CACHE, [], [], {"elsewhere"}),
        ({}, ["kv-cache"], [], {"elsewhere"}),
        (MASK | CACHE, [], ["model.py"], {"right"}),
        (CRASH, ["masking", "kv-cache"], [], {"right"}),
        (CRASH | CACHE, ["masking"], [], {"elsewhere"}),
        (EXACT, [], [], {"right", "exactness"}),
        (MASK | {"position": ["order-matters failed"]}, [], [], {"elsewhere"}),
    ],
)  # fmt: skip
def test_a_mutant_is_on_the_right_item_if_something_is_charged_and_nothing_else(
    bench, charged, waiting, unloaded, expected
):
    mutant = sys.modules["foreign_mutants"].Mutant("model.py", "attend", 1, "", "", "a")
    case = bench.Case(mutant, frozenset({"masking"}))
    seen = bench.Seen(dict.fromkeys([*charged, *waiting], 1.0), charged, unloaded, [])

    found = bench.sort_out([case], {"a": seen})

    assert {field.name for field in fields(found) if getattr(found, field.name)} == expected


def test_a_sample_is_the_same_for_a_seed_keeps_its_order_and_grows(bench):
    cases = list(range(100))
    few = bench.sample(cases, 10, 0)

    assert len(few) == 10
    assert few == sorted(few) == bench.sample(cases, 10, 0) != bench.sample(cases, 10, 1)
    assert set(few) < set(bench.sample(cases, 20, 0))
    assert bench.sample(cases, 0, 0) == bench.sample(cases, 1000, 0) == cases


def test_every_equivalent_mutant_is_listed_once_with_a_reason(bench):
    listed = bench.read_equivalent(bench.EQUIVALENT)

    assert all(len(name) == 12 and reason.endswith(".") for name, reason in listed.items())


@pytest.mark.slow  # a grade of each mutant: that the score decides what is printed is what it is about
def test_a_handful_of_mutants_is_graded_sorted_and_kept(tmp_path):
    for name, text in {
        "mutmut/__init__.py": "",
        "mutmut/mutation/__init__.py": "",
        "mutmut/mutation/mutators.py": ENGINE,
        "mutmut-3.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mutmut\nVersion: 3.0\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    kept = tmp_path / "results"
    command = [sys.executable, "bench_survivors.py", "--others", str(python), "--sample", "0", "--results", str(kept)]

    first, again = (
        subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=600) for _ in range(2)
    )

    assert first.returncode == 0, first.stderr
    assert first.stdout == again.stdout
    assert not again.stderr
    lines = first.stdout.splitlines()
    assert lines[0] == "mutmut 3.0: 7 mutants; 4 are others again, 0 are no Python"
    assert lines[1] == "1 of what only a follow-up asks, 0 of what nothing asks, left out"
    assert lines[2].startswith("2 of the other 2 chosen")
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 2
    table = [" ".join(line.split()) for line in lines[-7:]]
    assert "lose points 1 0.500 0.99" in table
    assert "on the right item 1 1.000 0.95" in table
    assert "survived 1" in table
    assert "    -        T = tokens.size(1)\n    +        T = tokens.size(-1)" in first.stdout
