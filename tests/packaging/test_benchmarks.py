"""The benchmarks are run by hand: that they still can be, and that the page about them names them all, is seen here."""

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "tests" / "benchmarks"
BENCHES = sorted(BENCHMARKS.glob("bench_*.py"))
PAGE = ROOT / "docs" / "performance.md"


@pytest.fixture
def beside_the_benchmarks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Imports as a script in their directory does; what it imports from there is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for file in BENCHMARKS.glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.mark.usefixtures("beside_the_benchmarks")
@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.stem)
def test_a_benchmark_can_be_imported_and_says_how_to_call_it(bench, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(bench), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(bench), run_name="__main__")

    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {bench.name} ")


@pytest.mark.usefixtures("beside_the_benchmarks")
@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.stem)
def test_a_benchmark_takes_no_option_that_it_does_not_name(bench, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(bench), "--no-such-option"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(bench), run_name="__main__")

    assert ended.value.code == 2
    assert "unrecognized arguments: --no-such-option" in capsys.readouterr().err


def test_the_options_that_a_benchmark_describes_are_those_it_has():
    for bench in BENCHES:
        text = bench.read_text(encoding="utf-8")
        usage = re.search(rf"^    python tests/benchmarks/{bench.name}(.*(?:\n {{8}}.*)*)$", text, re.MULTILINE)
        assert usage is not None, bench.name
        described = set(re.findall(r"--[a-z-]+", usage[1]))
        taken = set(re.findall(r'add_argument\("(--[a-z-]+)"', text))

        assert described == taken, bench.name


def test_the_page_names_every_benchmark_and_none_that_is_gone():
    named = set(re.findall(r"\bbench_\w+\.py", PAGE.read_text(encoding="utf-8")))

    assert named == {bench.name for bench in BENCHES}


@pytest.mark.parametrize(("bench", "tool"), [("bench_otter.py", "otter-grader"), ("bench_survivors.py", "mutmut")])
def test_a_benchmark_that_needs_what_is_not_there_says_so_and_ends_well(bench, tool):
    command = [sys.executable, str(BENCHMARKS / bench)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)

    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"{tool}: not measured: ")


@pytest.mark.slow
def test_what_measures_with_torch_can_still_be_imported():
    scripts = ("in_process", "measure_precision", "many_seeds")
    command = [sys.executable, "-c", f"import {', '.join(scripts)}"]
    run = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, timeout=300)

    assert run.returncode == 0, run.stderr


@pytest.mark.slow
def test_the_checks_can_still_be_asked_in_plain_pytest():
    """Some of them: one asks the model, two ask classes of the contract that no adapter stands before."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        str(BENCHMARKS / "in_process.py"),
        "-k",
        "forward-runs or config-defaults",
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)

    assert run.returncode == 0, run.stdout
    assert "3 passed" in run.stdout  # train-config-defaults too
