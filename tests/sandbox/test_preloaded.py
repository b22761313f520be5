"""What an adapter.py may have imported ahead, and that nothing of a library gives an exercise away."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from grader.sandbox import preloaded
from grader.sandbox.client import Launcher
from grader.sandbox.errors import LauncherFailed
from grader.sandbox.preloaded import imports_of, what_is_missing
from grader.sandbox.questions import Answered, Raised, Snippet

CONFIGURATION = "transformers.models.gpt2.configuration_gpt2"
ADAPTER = f'IMPORTS = ("{CONFIGURATION}",)\n'
with_the_library = pytest.mark.skipif(find_spec("transformers") is None, reason="transformers is not installed")


@pytest.mark.parametrize(
    "text",
    [
        ADAPTER,
        f'"""Words."""\n\nimport torch\n\nIMPORTS = "{CONFIGURATION}"\n',
        f"IMPORTS=(\n    '{CONFIGURATION}',  # its sizes\n)\nNAMES = {{}}\n",
    ],
    ids=["a tuple", "a string", "several lines"],
)
def test_what_is_imported_is_read_off_the_text(text: str) -> None:
    assert imports_of(text) == (CONFIGURATION,)


@pytest.mark.parametrize("text", [None, "", "NAMES = {}\n", "# IMPORTS = ('os',)\n", "    IMPORTS = ('os',)\n"])
def test_most_import_nothing(text: str | None) -> None:
    assert imports_of(text) == ()
    assert what_is_missing(text) == ""


@pytest.mark.parametrize(
    "name",
    [
        "os",
        "antigravity",
        "transformers.models.gpt2.modeling_gpt2",
        "transformers.cli",
        "transformers.models.a.b.c",
        "",
    ],
)
def test_nothing_but_a_configuration_of_the_library_is_imported_outside_the_lock(name: str) -> None:
    with pytest.raises(ValueError, match=f"names '{name}'; expected 'transformers' or a configuration"):
        imports_of(f'IMPORTS = ("{name}",)\n')
    assert f"names {name!r}" in what_is_missing(f'IMPORTS = ("{name}",)\n')


def test_the_launcher_does_not_take_a_name_on_trust() -> None:
    with pytest.raises(ValueError, match=r"'transformers\.cli' is not imported ahead"):
        preloaded.check_each(["transformers.cli"])


def test_a_library_that_is_not_installed_is_named_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preloaded, "find_spec", lambda _: None)

    assert what_is_missing(ADAPTER) == (
        "it needs transformers, which is not installed: pip install 'gpt-bug-grader[transformers]'"
    )


@pytest.mark.slow  # a launcher of its own imports torch and the library
@with_the_library
def test_a_worker_has_the_library_without_its_models() -> None:
    spec = find_spec("transformers")
    assert spec is not None
    original = Path(str(spec.origin)).parent / "models" / "gpt2" / "modeling_gpt2.py"
    assert original.is_file()
    asked = {
        "the configuration": f"from {CONFIGURATION} import GPT2Config\nassert GPT2Config(n_embd=8).hidden_size == 8\n",
        "the cache": "from transformers import DynamicCache\nassert DynamicCache().get_seq_length() == 0\n",
        "the model": "from transformers import GPT2LMHeadModel\n",
        "its module": "import transformers.models.gpt2.modeling_gpt2\n",
        "its file": f"open({str(original)!r}).read()\n",
    }
    with Launcher("strict") as launcher:
        worker = launcher.spawn({"model.py": ""}, adapter=ADAPTER)
        replies = {}
        for what, source in asked.items():
            worker.send(Snippet(source=source), {}, 60.0)
            replies[what], _ = worker.receive()
        worker.close()

    answered = [what for what, reply in replies.items() if isinstance(reply, Answered)]
    assert answered == ["the configuration", "the cache"]
    refused = {what: reply.type for what, reply in replies.items() if isinstance(reply, Raised)}
    assert refused["its file"] == "PermissionError"
    assert len(refused) == 3


@pytest.mark.slow  # a launcher of its own imports torch and the library
@with_the_library
def test_a_configuration_that_there_is_not_is_said(launcher: Launcher) -> None:
    with pytest.raises(LauncherFailed, match=r"configuration_none cannot be imported: ModuleNotFoundError: "):
        launcher.spawn({}, adapter='IMPORTS = ("transformers.models.gpt2.configuration_none",)\n')
