"""What does not work of a GPT of one's own is said by its first exception, before any check is asked."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.exercise.model import Exercise
from grader.injection.fit import look, require_it_runs
from grader.packages.worker_pool import WorkerPool
from grader.sandbox.client import Launcher

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "nano"


@pytest.fixture
def files() -> dict[str, str]:
    """The example of docs/bring-your-own.md."""
    return {path.name: path.read_text("utf-8") for path in EXAMPLE.glob("*.py")}


@pytest.fixture
def pool_for(launcher: Launcher) -> Iterator[Callable[[dict[str, str]], WorkerPool]]:
    pools: list[WorkerPool] = []

    def make(files: dict[str, str]) -> WorkerPool:
        pools.append(WorkerPool(launcher, adapter=files.get("adapter.py")))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def test_the_example_works(files: dict[str, str], pool_for: Callable[[dict[str, str]], WorkerPool]) -> None:
    looks = list(look(pool_for(files), files))

    assert [each.fault for each in looks] == [""] * 5
    assert "hiding the future" in [each.what for each in looks]
    assert "training a model" in [each.what for each in looks]


def test_the_built_in_reference_works(exercise: Exercise, pool_for: Callable[[dict[str, str]], WorkerPool]) -> None:
    require_it_runs(pool_for(exercise.reference), exercise.reference)


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("adapter.py", "def build(", "def make(", "adapter.py has no function build"),
        ("adapter.py", "n_embd=", "width=", r"unexpected keyword argument 'width'.*adapter.py, line \d+"),
        ("adapter.py", "net(tokens, tokens)[0]", "net(tokens)[0]", r"shape \(2, 1, 5\); expected \(2, 7, 5\)"),
        ("adapter.py", "net(tokens, tokens)[0]", "net(tokens, tokens)", "is a tuple; expected a plain torch.Tensor"),
        ("adapter.py", "wpe", "wpos", r"no parameter of the model is called 'transformer\\\\.wpos\\\\.weight'"),
        ("adapter.py", "settings.weight_decay)", "settings.decay)", "no attribute 'decay'"),
        ("adapter.py", "import GPT\n", "import GTP\n", "model.py has no class GTP"),
        ("train.py", "loss.backward()", "lost.backward()", r"NameError: name 'lost' is not defined.*train.py, line"),
        (
            "model.py",
            "y = att @ v ",
            "y = att @ v + v.mean(2, True) ",
            "hiding the future fails: another token at the end",
        ),
        (
            "model.py",
            "import math\n",
            "import math\nimport wandb\n",
            "imports wandb, which is not available",
        ),
    ],
    ids=[
        "no-build",
        "build-raises",
        "last-only",
        "a-tuple",
        "pattern",
        "run-raises",
        "stand-in",
        "loop",
        "peeks",
        "import",
    ],
)
def test_what_does_not_work_is_said_with_the_way_on(
    file: str,
    old: str,
    new: str,
    complaint: str,
    files: dict[str, str],
    pool_for: Callable[[dict[str, str]], WorkerPool],
) -> None:
    assert old in files[file]
    files[file] = files[file].replace(old, new)

    with pytest.raises(UsageError, match=f"(?s){complaint}.*bring-your-own.md"):
        require_it_runs(pool_for(files), files)


def test_without_an_adapter_the_first_exception_is_that_of_the_contract(
    files: dict[str, str], pool_for: Callable[[dict[str, str]], WorkerPool]
) -> None:
    del files["adapter.py"]

    with pytest.raises(UsageError, match=r"(?s)unexpected keyword argument 'd_model'.*needs an adapter.py"):
        require_it_runs(pool_for(files), files)
