"""The synthetic results, loaded by path: the tests are no package, and nothing of them is on ``sys.path``."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from grader.result.record import Result

NAMES = ("starter", "half_done", "perfect", "bare", "hostile")


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module ``samples.py`` beside this file."""
    spec = importlib.util.spec_from_file_location("report_samples", Path(__file__).with_name("samples.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NAMES)
def result(request: pytest.FixtureRequest, samples: ModuleType) -> Result:
    """Each synthetic result in turn."""
    made: Result = getattr(samples, request.param)()
    return made
