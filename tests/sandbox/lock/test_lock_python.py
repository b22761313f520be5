"""What goes on working in a locked worker: imports, reading what is allowed, and torch to the last bit."""

from collections.abc import Callable
from typing import Any

import pytest

Worker = Callable[..., Any]

_TRAINING = """
import hashlib, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(20, 33), torch.nn.LayerNorm(33), torch.nn.GELU(), torch.nn.Linear(33, 7))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for _ in range(5):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(torch.randn(13, 20)), torch.randint(7, (13,)))
    loss.backward()
    optimizer.step()
digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
"""
_WARM_UP = """
import hashlib, torch
layer = torch.nn.Linear(8, 8)
torch.optim.AdamW(layer.parameters())
layer(torch.randn(4, 8)).sum().backward()
"""


@pytest.mark.parametrize("module", ["decimal", "sqlite3", "email.mime.text", "zoneinfo", "pytest"])
def test_a_module_not_imported_before_can_be(worker: Worker, module: str) -> None:
    source = f"import sys\nfresh = {module!r} not in sys.modules\nimport {module}\nresult = fresh"

    assert worker(source).result is True


def test_numpy_imports_and_computes_without_a_thread(worker: Worker) -> None:
    source = "import numpy\nresult = float((numpy.eye(300) @ numpy.eye(300)).sum())"

    assert worker(source, limits={"address_space_bytes": 2 << 30}).result == 300.0


def test_the_candidates_folder_is_readable(worker: Worker) -> None:
    source = "import sys\nsys.path.append(str(CANDIDATE))\nimport model\nresult = model.ANSWER"

    assert worker(source).result == 42


@pytest.mark.parametrize("covered", [False, True], ids=["without-namespaces", "with-namespaces"])
def test_devices_of_randomness_are_readable(worker: Worker, covered: bool) -> None:
    assert worker("result = len(open('/dev/urandom', 'rb', 0).read(4))", covered=covered).result == 4


def test_numbers_from_random_devices_of_the_kernel(worker: Worker) -> None:
    assert worker("import os\nresult = len(os.urandom(4))").result == 4


@pytest.mark.slow
def test_training_gives_the_same_bits_locked_and_unlocked(worker: Worker) -> None:
    source = f"{_TRAINING}\nresult = digest"
    locked, unlocked = (worker(source, launcher=_WARM_UP, lock=lock) for lock in (True, False))

    assert (locked.exit, unlocked.exit) == (0, 0), locked.stderr + unlocked.stderr
    assert locked.result == unlocked.result
