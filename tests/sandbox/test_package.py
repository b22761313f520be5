"""A submission is imported from memory as if its files lay in a directory."""

import importlib
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch

from grader.sandbox.worker.loading import PACKAGE, SourcePackage

Install = Callable[[Mapping[str, str]], SourcePackage]


@pytest.fixture
def install() -> Iterator[Install]:
    """Make files importable; afterwards nothing of them is."""
    known, finders = dict(sys.modules), list(sys.meta_path)

    def make(files: Mapping[str, str]) -> SourcePackage:
        package = SourcePackage(files)
        package.install()
        return package

    yield make
    sys.meta_path[:] = finders
    for name in sys.modules.keys() - known.keys():
        del sys.modules[name]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("import helper_of_ours as helper", id="plain"),
        pytest.param("from . import helper_of_ours as helper", id="relative"),
        pytest.param("import submission.helper_of_ours as helper", id="absolute"),
    ],
)
def test_every_way_to_import_a_file_gives_the_module(source: str, install: Install) -> None:
    package = install({"model.py": source, "helper_of_ours.py": "VALUE = 7"})

    assert package.module("model").helper.VALUE == 7


def test_plain_and_relative_imports_give_one_module_that_is_run_once(install: Install) -> None:
    source = "import helper_of_ours as a\nfrom . import helper_of_ours as b\nfrom .helper_of_ours import LOADS"
    helper = "import sys\nsys.loads_of_ours = getattr(sys, 'loads_of_ours', 0) + 1\nLOADS = sys.loads_of_ours"
    package = install({"model.py": source, "helper_of_ours.py": helper})
    try:
        model = package.module("model")

        assert model.a is model.b
        assert model.LOADS == 1
        assert model.a.__name__ == model.a.__spec__.name == f"{PACKAGE}.helper_of_ours"
    finally:
        del sys.loads_of_ours  # type: ignore[attr-defined]


def test_train_and_a_plain_import_of_model_share_the_model(install: Install) -> None:
    package = install({"model.py": "class GPT: ...", "train.py": "from model import GPT"})

    assert package.module("train").GPT is package.module("model").GPT


def test_an_installed_module_wins_over_a_file_of_its_name(install: Install) -> None:
    import colorsys

    package = install({"model.py": "import colorsys\nfrom . import colorsys as own", "colorsys.py": "OWN = True"})
    model = package.module("model")

    assert model.colorsys is colorsys
    assert model.own.OWN


def test_model_and_train_are_the_submissions_whatever_is_installed(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("model", "train", "helper_of_ours"):
        (tmp_path / f"{name}.py").write_text("NAME = 'installed'")
    monkeypatch.syspath_prepend(tmp_path)
    own = "NAME = 'own'"
    package = install({"model.py": own, "train.py": f"import model, helper_of_ours\n{own}", "helper_of_ours.py": own})

    assert package.module("train").model.NAME == "own"
    assert importlib.import_module("train").NAME == "own"
    assert package.module("train").helper_of_ours.NAME == "installed"


def test_files_may_import_each_other_in_a_circle(install: Install) -> None:
    package = install({"model.py": "import train\nNAME = 'model'", "train.py": "import model\nNAME = 'train'"})

    assert package.module("model").train.NAME == "train"
    assert package.module("train").model.NAME == "model"


def test_a_file_that_fails_can_be_asked_for_again_and_fails_again(install: Install) -> None:
    package = install({"model.py": "raise RuntimeError('as ever')"})

    for _ in range(2):
        with pytest.raises(RuntimeError, match="as ever"):
            package.module("model")


def test_a_traceback_shows_the_file_and_the_line_of_source(install: Install) -> None:
    package = install({"model.py": "def f():\n    raise ValueError('no')  # here\n"})
    with pytest.raises(ValueError, match="no") as caught:
        package.module("model").f()
    shown = "".join(traceback.format_exception(caught.value))

    assert "File \"model.py\", line 2, in f\n    raise ValueError('no')  # here\n" in shown


def test_a_syntax_error_names_the_file_and_the_line(install: Install) -> None:
    package = install({"model.py": "x = 1\ndef broken(:\n"})
    with pytest.raises(SyntaxError, match=r"invalid syntax \(model.py, line 2\)"):
        package.module("model")


def test_what_is_not_there_is_not_found(install: Install) -> None:
    package = install({"model.py": "import missing_part_of_ours"})

    with pytest.raises(ModuleNotFoundError, match="missing_part_of_ours"):
        package.module("model")
    with pytest.raises(ModuleNotFoundError, match=r"submission\.train"):
        package.module("train")


def test_an_init_file_is_the_package_itself(install: Install) -> None:
    package = install({"__init__.py": "SHARED = 3", "model.py": "from . import SHARED"})

    assert package.module("model").SHARED == 3
    assert package.filenames() == {"__init__.py", "model.py"}


DOUBLE = "import torch\ntorch.set_default_dtype(torch.float64)\n"


@pytest.mark.parametrize(
    ("files", "by_train", "by_others"),
    [
        pytest.param({"model.py": "", "train.py": "import model"}, "", "", id="nobody"),
        pytest.param({"model.py": DOUBLE, "train.py": "import model"}, "", "float64, gradients on", id="model"),
        pytest.param({"model.py": "", "train.py": "import model\n" + DOUBLE}, "float64, gradients on", "", id="train"),
        pytest.param(
            {"model.py": "import helper_of_ours", "train.py": "import model", "helper_of_ours.py": DOUBLE},
            "",
            "float64, gradients on",
            id="a-file-that-model-imports",
        ),
    ],
)
def test_who_changes_the_settings_of_torch_when_it_is_imported(
    files: dict[str, str], by_train: str, by_others: str, install: Install
) -> None:
    package = install(files)
    try:
        package.module("train")
    finally:
        torch.set_default_dtype(torch.float32)

    assert package.settings_changed(by_train=True) == by_train
    assert package.settings_changed(by_train=False) == by_others
