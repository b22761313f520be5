"""In a locked worker pytest runs tests of which there is no file, and tells what came of them."""

from collections.abc import Callable, Iterator, Mapping
from textwrap import dedent
from typing import Any

import pytest

from grader.sandbox.client import Launcher
from grader.sandbox.questions import Answered, RunTests
from grader.sandbox.worker.own_tests import NO_DISK

TIMEOUT = 60.0  # seconds
PACKAGE = {
    "model.py": "import helper\n\ndef double(x):\n    return helper.TWO * x\n",
    "train.py": "",
    "helper.py": "TWO = 2\n",
}

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(launcher: Launcher) -> Iterator[Run]:
    """``run({"test_it.py": ...}) -> {"exit": 0, "passed": 1, "skipped": 0}``, with ``failure`` where one failed."""
    workers = []

    def ask(tests: Mapping[str, str], package: Mapping[str, str] = PACKAGE) -> dict[str, Any]:
        texts = {name: dedent(text) for name, text in tests.items()}
        worker = launcher.spawn({**package, **texts}, purpose="tests")
        workers.append(worker)
        modules = tuple(name.removesuffix(".py") for name in tests if name != "conftest.py")
        worker.send(RunTests(modules=modules, conftest="conftest.py" in tests), {}, TIMEOUT)
        reply, answer = worker.receive()
        assert isinstance(reply, Answered), reply
        return {
            name: value.tobytes().decode() if name == "failure" else int(value) for name, value in answer.items()
        } | {"printed": worker.output()}

    yield ask
    for worker in workers:
        worker.close()


CONFTEST = """
    import pytest
    from model import double

    def from_conftest():
        return double(1)

    @pytest.fixture
    def four():
        return double(2)
"""
TESTS = """
    import unittest

    import pytest
    import torch
    from conftest import from_conftest
    from hypothesis import given, settings, strategies as st
    from model import double
    from submission import model as same_module

    @pytest.fixture(scope="module", params=[1, 3], ids=["one", "three"])
    def number(request):
        yield request.param

    @pytest.mark.parametrize("x", [0, 1])
    def test_with_fixtures_and_parameters(number, four, x):
        assert double(number) + four + x == 2 * number + 4 + x

    class TestInAClass:
        def setup_method(self):
            self.tensor = torch.ones(2)

        def test_a_method(self):
            torch.testing.assert_close(self.tensor, torch.ones(2))

    class TestOfUnittest(unittest.TestCase):
        def test_a_case(self):
            self.assertRaises(ValueError, int, "x")

    def test_helpers_of_pytest(monkeypatch, capsys, recwarn):
        monkeypatch.setattr(same_module, "double", lambda x: 0)
        print(same_module.double(1))
        assert capsys.readouterr().out == "0\\n"
        with pytest.raises(TypeError, match="NoneType"):
            double(None)
        assert from_conftest() == pytest.approx(2.0)

    @settings(database=None, max_examples=5, deadline=None)
    @given(st.integers(-5, 5))
    def test_drawn_cases(x):
        assert double(x) == x + x

    def test_that_is_skipped():
        pytest.skip("not here")

    @pytest.mark.xfail(reason="known")
    def test_that_is_expected_to_fail():
        assert double(1) == 3
"""


def test_what_pytest_offers_is_there(run: Run) -> None:
    answer = run({"conftest.py": CONFTEST, "test_it.py": TESTS})

    assert answer.get("failure") is None
    assert (answer["exit"], answer["passed"], answer["skipped"]) == (0, 8, 2)


def test_each_module_of_tests_is_run(run: Run) -> None:
    answer = run({"test_a.py": "def test_a(): pass", "test_b.py": "from test_a import test_a\ndef test_b(): pass"})

    assert (answer["exit"], answer["passed"]) == (0, 3)


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("def test_x():\n    assert 1 == 2", "test_it.py::test_x\nAssertionError (test_it.py, line 2: assert 1 == 2)"),
        ("import model\ndef test_x():\n    model.double()", "test_it.py::test_x\nTypeError: double() missing"),
        ("def test_x(tmp_path): pass", f"test_it.py::test_x\nFailed: {NO_DISK}"),
        ("def test_x(nothing): pass", "test_it.py::test_x\nFixtureLookupError"),
        ("import nowhere\ndef test_x(): pass", "test_it.py\nModuleNotFoundError: No module named 'nowhere'"),
        ("def test_x(:", "test_it.py\nSyntaxError: invalid syntax (test_it.py, line 1)"),
        ("raise SystemExit(0)", ""),
        ("def test_x():\n    raise SystemExit(0)", "test_it.py::test_x\nSystemExit: 0"),
        ("import pytest\n@pytest.mark.xfail(strict=True)\ndef test_x(): pass", "test_it.py::test_x\nit passes"),
        ("import pytest\n@pytest.fixture\ndef f():\n    yield\n    1 / 0\ndef test_x(f): pass", "ZeroDivisionError"),
    ],
    ids=["assert", "in-model", "disk", "fixture", "package", "syntax", "exit", "exit-in-test", "xpass", "teardown"],
)
def test_a_failure_is_told_with_its_place(run: Run, text: str, failure: str) -> None:
    answer = run({"test_it.py": text})

    assert answer["exit"] not in (0, 5)
    assert failure in answer.get("failure", "")


def test_nothing_is_run_after_a_failure(run: Run) -> None:
    answer = run({"test_it.py": "def test_a(): pass\ndef test_b(): assert 0\ndef test_c(): print('c is run')"})

    assert answer["failure"].startswith("test_it.py::test_b\n")
    assert (answer["passed"], answer["printed"]) == (1, "")


def test_words_that_cannot_be_sent_do_no_harm(run: Run) -> None:
    answer = run({"test_it.py": "def test_x():\n    raise ValueError('\\ud800' + 'x' * 10**6)"})

    assert answer["failure"].startswith("test_it.py::test_x\nValueError: ?x")
    assert len(answer["failure"]) < 2000


def test_an_exception_that_cannot_be_shown_does_no_harm(run: Run) -> None:
    answer = run(
        {
            "test_it.py": """
                class Bites(Exception):
                    def __str__(self):
                        raise SystemExit
                    __repr__ = __str__

                def test_x():
                    raise Bites
            """
        }
    )

    assert answer["exit"] != 0


def test_the_tests_are_run_against_the_package_that_was_sent(run: Run) -> None:
    tests = {"test_it.py": "from model import double\ndef test_x(): assert double(3) == 6"}

    assert run(tests)["exit"] == 0
    assert run(tests, PACKAGE | {"helper.py": "TWO = 3\n"})["exit"] == 1
