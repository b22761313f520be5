"""The browser and the synthetic results of the report's tests, by path."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def loaded(name: str) -> ModuleType:
    """A module beside the report's tests."""
    path = Path(__file__).resolve().parents[1] / "report" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"report_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module ``samples.py`` of the report's tests."""
    return loaded("samples")


@pytest.fixture(scope="session")
def browsers() -> ModuleType:
    """The module ``browser.py`` of the report's tests."""
    return loaded("browser")
