"""What was raised is said in words; what is taken out is not built, and what crashes is no less built for that."""

import pytest

from grader.exercise.model import Exercise
from grader.packages.trouble import PackageRaised, in_words, is_missing
from grader.sandbox.questions import Frame, Raised

FILES = {"model.py": "import torch\n\n\ndef f():\n    g()\n", "train.py": "from model import GPT\n"}
FRAME = Frame(file="model.py", line=5, function="f")


def raised(type_: str, message: str = "", *bases: str, frames: tuple[Frame, ...] = ()) -> Raised:
    return Raised(
        type=type_, bases=(type_, *bases, "Exception"), message=message, by_raise=False, traceback="", frames=frames
    )


@pytest.mark.parametrize(
    ("what", "words"),
    [
        pytest.param(raised("RuntimeError", "boom"), "RuntimeError: boom", id="as-it-is"),
        pytest.param(raised("KeyError"), "KeyError", id="without-a-message"),
        pytest.param(raised("AttributeError", "module 'model' has no attribute 'GPT'"), "model.py has no class GPT",
                     id="class"),
        pytest.param(raised("AttributeError", "module 'train' has no attribute 'loss_fn'"),
                     "train.py has no function loss_fn", id="function"),
        pytest.param(raised("AttributeError", "module 'torch' has no attribute 'GPT'"),
                     "AttributeError: module 'torch' has no attribute 'GPT'", id="of-a-library"),
        pytest.param(raised("ImportError", "cannot import name 'GPT' from 'model' (model.py)"),
                     "model.py has no class GPT", id="imported"),
        pytest.param(raised("ModuleNotFoundError", "No module named 'tqdm'", "ImportError"),
                     "ModuleNotFoundError: No module named 'tqdm'", id="without-a-place"),
    ],
)  # fmt: skip
def test_it_is_said_in_words(what: Raised, words: str) -> None:
    assert in_words(what, (), FILES) == words


def test_the_last_line_of_its_own_stands_behind_a_crash() -> None:
    crash = PackageRaised(raised("TypeError", "no", frames=(FRAME,)), FILES)

    assert (str(crash), crash.words) == ("TypeError: no (model.py, line 5)", "TypeError: no")
    assert str(PackageRaised(raised("TypeError", "no"), FILES)) == "TypeError: no"
    elsewhere = Frame(file="/usr/lib/python3/x.py", line=1)
    assert str(PackageRaised(raised("TypeError", "no", frames=(FRAME, elsewhere)), FILES)) == str(crash)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("'GPT' object has no attribute 'forward_incremental'", "AttributeError"),
        ("module 'train' has no attribute 'constant_weight'", "AttributeError"),
        ("name 'classifier_loss' is not defined", "NameError"),
        ("cannot import name 'gradient_norm_weight' from 'train' (train.py)", "ImportError"),
    ],
)
def test_what_was_to_be_built_and_is_not_there_is_not_built(message: str, kind: str, exercise: Exercise) -> None:
    assert is_missing(raised(kind, message), exercise.left_to_build)
    assert PackageRaised(raised(kind, message, frames=(FRAME,)), FILES, exercise.left_to_build).unbuilt


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("module 'train' has no attribute 'train_step'", "AttributeError"),
        ("'NoneType' object has no attribute 'size'", "AttributeError"),
        ("name 'se' is not defined", "NameError"),
        ("no attribute 'forward_incremental'", "KeyError"),
        ("the cache has no attribute forward_incremental", "AttributeError"),
    ],
)
def test_what_crashes_is_built(message: str, kind: str, exercise: Exercise) -> None:
    assert not PackageRaised(raised(kind, message), FILES, exercise.left_to_build).unbuilt
