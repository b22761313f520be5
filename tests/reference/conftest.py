"""The reference, loaded by path: its folder is never on sys.path, and its modules have names of their own."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

REFERENCE = Path(__file__).resolve().parents[2] / "reference"


def load(path: Path) -> ModuleType:
    name = f"tests_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def model_file() -> Path:
    return REFERENCE / "model.py"


@pytest.fixture(scope="session")
def gpt(model_file: Path) -> ModuleType:
    """reference/model.py"""
    return load(model_file)


@pytest.fixture(scope="session")
def harness() -> ModuleType:
    """reference/train.py"""
    return load(REFERENCE / "train.py")


@pytest.fixture(scope="session")
def model(gpt: ModuleType) -> torch.nn.Module:
    """A float64 model whose weights are large enough for attention to matter: V, C and block_size all differ."""
    torch.manual_seed(0)
    model = gpt.GPT(gpt.GPTConfig(vocab_size=11, block_size=13, n_layer=3, d_model=20)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.5)
    model.requires_grad_(False)
    assert isinstance(model, torch.nn.Module)
    return model


@pytest.fixture(scope="session")
def followups(gpt: ModuleType) -> ModuleType:
    """reference/followups.py, which finds model.py by its plain name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "model", gpt)
        return load(REFERENCE / "followups.py")


@pytest.fixture(autouse=True)
def _follow_ups_are_found(followups: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """model.py imports them when it needs them."""
    monkeypatch.setitem(sys.modules, "followups", followups)


@pytest.fixture(autouse=True)
def _one_thread():
    """Bits depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
