"""The synthetic results, one after another."""

from types import ModuleType

import pytest

from grader.result.record import Result

NAMES = ("starter", "half_done", "perfect", "bare", "hostile")


@pytest.fixture(params=NAMES)
def result(request: pytest.FixtureRequest, samples: ModuleType) -> Result:
    """Each synthetic result in turn."""
    made: Result = getattr(samples, request.param)()
    return made
