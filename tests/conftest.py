"""What all tests share: one launcher for the session, and what grades packages and builds exercises with it."""

import contextlib
import fcntl
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from grader.exercise.model import StoredExercise, builtin_exercise
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.result.record import Result
from grader.sandbox.client import Launcher
from grader.submission.read import Submission, submission_of

ROOT = Path(__file__).resolve().parent.parent
SLOW = {"grade_files", "generated"}
"""Whatever asks for these grades whole submissions or builds exercises, and is slow without having to say so."""

_COLLECTED = pytest.StashKey[list[pytest.Item]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """What is right and what is wrong must not hang on what is drawn: any seed may be tried."""
    parser.addoption("--grading-seed", type=int, default=1, metavar="N", help="of all grades whose test names none (1)")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the tiers before any is picked; ``make test`` runs all that is not slow, and of that what is smoke."""
    for item in items:
        if SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    config.stash[_COLLECTED] = list(items)


@pytest.fixture(scope="session")
def collected(pytestconfig: pytest.Config) -> list[pytest.Item]:
    """All tests that were found, those too that another tier runs."""
    return pytestconfig.stash[_COLLECTED]


@pytest.fixture(scope="session")
def exercise() -> StoredExercise:
    """The built-in exercise."""
    return builtin_exercise()


@pytest.fixture(scope="session")
def launcher(exercise: StoredExercise) -> Iterator[Launcher]:
    """One strict launcher: torch is imported once for all tests of a session."""
    if sys.platform != "linux":
        pytest.skip("strict isolation is Linux's")
    with Launcher("strict", hidden=[exercise.reference_directory]) as launcher:
        yield launcher


@pytest.fixture(scope="session")
def grade_files(launcher: Launcher, exercise: StoredExercise, pytestconfig: pytest.Config) -> Callable[..., Result]:
    """``grade_files({"model.py": ..., "train.py": ...}, seed=1, only=("masking",), ...) -> Result``, of items alone."""
    seed = pytestconfig.getoption("--grading-seed")

    def run(
        files: Mapping[str, str],
        *,
        name: str = "candidate",
        tests: Mapping[str, str] | None = None,
        session: Session | None = None,
        **options: object,
    ) -> Result:
        submission: Submission = submission_of(name, files, tests=tests)
        chosen = Options(**{"seed": seed, "followups": False} | options)
        return (session or Session(exercise, launcher, Keep.NOTHING)).grade(submission, chosen)

    return run


@pytest.fixture(scope="session")
def generated(exercise: StoredExercise, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """``generated(seed=3, bugs=2) -> folder``: an exercise, built once for all who ask; it is not to be changed.

    What it is built in has a launcher of its own, since its workers stay: other tests hold that none is left.
    """
    if sys.platform != "linux":
        pytest.skip("strict isolation is Linux's")
    stack = contextlib.ExitStack()
    launchers: list[Launcher] = []  # none until something has to be built
    workshops: dict[bool, object] = {}  # by whether extensions are kept
    own = tmp_path_factory.getbasetemp()
    root = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "generated"
    root.mkdir(exist_ok=True)

    def make(**asked: object) -> Path:
        # Imported here: they bring the parser of mutations with them, which most tests can do without.
        from grader.injection.build import build_in
        from grader.injection.folder import write
        from grader.injection.recipe import Recipe
        from grader.injection.workshop import Workshop

        folder = root / ("-".join(f"{name}={value}" for name, value in sorted(asked.items())) or "default")
        with open(f"{folder}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a worker that comes second finds it there
            if not folder.is_dir():
                recipe = Recipe(**asked)  # type: ignore[arg-type]
                keeps = recipe.keep_extensions
                if not workshops:
                    launchers.append(stack.enter_context(Launcher("strict", hidden=[exercise.reference_directory])))
                if keeps not in workshops:
                    [launcher] = launchers
                    opened = Workshop(exercise.reference, launcher, keep_extensions=keeps)
                    workshops[keeps] = stack.enter_context(opened)
                workshop = workshops[keeps]
                assert isinstance(workshop, Workshop)
                write(build_in(workshop, recipe, lambda _: None), folder)
        return folder

    with stack:
        yield make


@pytest.fixture(scope="session")
def published() -> ModuleType:
    """The module ``published.py``: the rules of other systems' formats; ``published.problems("junit", data)``."""
    return _of_the_reports_tests("formats/published")


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module ``samples.py`` of the report's tests: synthetic results."""
    return _of_the_reports_tests("samples")


@pytest.fixture(scope="session")
def browsers() -> ModuleType:
    """The module ``browser.py`` of the report's tests."""
    return _of_the_reports_tests("browser")


def _of_the_reports_tests(name: str) -> ModuleType:
    """By path: the tests are no package, and nothing of them is on ``sys.path``."""
    path = ROOT / "tests" / "report" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"report_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
