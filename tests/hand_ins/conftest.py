"""Every hand-in in every packing."""

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

packing = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("packing.py"))))


@pytest.fixture(params=packing.PACKINGS)
def delivered(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Mapping[str, str | bytes]], Path]:
    """``delivered(files)``: where they are, in each packing in turn."""
    return lambda files: packing.deliver(tmp_path, files, request.param)
