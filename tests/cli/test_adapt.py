"""`grader adapt` writes, tries and says what does not work; what is written is tested by its text, more cheaply."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from grader.cli.main import main
from grader.sandbox import preloaded

pytestmark = pytest.mark.slow  # a worker builds and calls the model: that it does is what is tested

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "nano"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example of docs/bring-your-own.md, its adapter.py left out."""
    for file in ("model.py", "train.py"):
        shutil.copy(EXAMPLE / file, tmp_path)
    return tmp_path


def adapt(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The exit code, standard output and standard error."""
    with pytest.raises(SystemExit) as ended:
        main(["adapt", *map(str, arguments)])
    assert isinstance(ended.value.code, int)
    return ended.value.code, *capsys.readouterr()


def test_the_example_works_at_once_and_a_second_run_leaves_its_adapter_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = adapt(capsys, folder)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if "  " in line[:6]].count("yes") == 5

    adapter = folder / "adapter.py"
    adapter.write_text(adapter.read_text().replace("n_embd=", "width="))
    before = adapter.read_text()
    code, out, _ = adapt(capsys, folder)
    assert code == 1
    assert out.startswith("Tried: ")
    assert "no   building a model" in out
    assert "unexpected keyword argument 'width' (adapter.py, line " in out
    assert adapter.read_text() == before

    code, out, _ = adapt(capsys, folder, "--force")
    assert code == 0
    assert adapter.read_text() == before.replace("width=", "n_embd=")


def test_a_source_that_raises_is_said_with_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = folder / "model.py"
    model.write_text(model.read_text().replace("x = self.transformer.ln_f(x)", "x = self.transformer.end(x)"))
    code, out, err = adapt(capsys, folder, "-o", "-")

    assert code == 1
    assert out.startswith('"""How GPT is built')
    assert not (folder / "adapter.py").exists()
    assert "yes  building a model" in err
    assert "no   calling a model" in err
    assert "has no attribute 'end' (model.py, line " in err
    assert "Traceback" not in err


def test_nothing_is_written_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = folder / "mine.txt"
    other.write_text("mine")
    code, _, err = adapt(capsys, folder, "-o", other)

    assert (code, other.read_text()) == (2, "mine")
    assert "--force" in err


@pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")
def test_a_model_of_a_library_is_copied_and_works_as_its_first_adapter_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = "transformers.models.llama.modeling_llama"
    code, out, _ = adapt(capsys, tmp_path / "llama", "--from-package", module)

    assert code == 0
    assert out.startswith(f"Copied: {module} to ")
    assert [line.split()[0] for line in out.splitlines() if "  " in line[:6]].count("yes") == 4
    assert "yes  decoding with a cache" in out
    assert "class LlamaForCausalLM" in (tmp_path / "llama" / "model.py").read_text()


def test_a_copy_replaces_no_model_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "model.py").read_text()
    code, _, err = adapt(capsys, folder, "--from-package", "libcst.matchers._visitors")

    assert (code, (folder / "model.py").read_text()) == (2, before)
    assert "model.py' exists; choose another directory, or replace it with --force" in err


def test_a_module_that_there_is_not_makes_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = adapt(capsys, tmp_path / "new", "--from-package", "libcst.none")

    assert code == 2
    assert "no such module: 'libcst.none'; expected a module with a model, such as" in err
    assert not (tmp_path / "new").exists()


def test_a_library_that_is_not_installed_is_said_before_anything_is_tried(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preloaded, "find_spec", lambda _: None)
    (folder / "adapter.py").write_text('IMPORTS = ("transformers",)\n')
    code, _, err = adapt(capsys, folder)

    assert code == 2
    assert "pip install 'gpt-bug-grader[transformers]'" in err
