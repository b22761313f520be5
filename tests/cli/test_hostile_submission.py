"""A submission in which everything attacks its reader, from the name of its directory to what it raises."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="strict isolation and names of any bytes are Linux's"),
]

ROOT = Path(__file__).resolve().parents[2]

ATTACK = "<script>top.ran=1</script>\x1b]0;title\x07\x1b[2J\x9b31m\u202e\u2066\u200b\ud800\x00\r=cmd|' /C calc'!A0"
NAME = os.fsdecode(b"\xff<img src=x onerror=alert(1)>\x1b[31m\n\xe2\x80\xae=cmd")
# Modules that the grader imports itself, or that Python runs unasked.
SHADOWS = ("argparse", "json", "msgspec", "numpy", "hypothesis", "torch", "random", "sitecustomize", "usercustomize")

MARK = "\ntry:\n    open({mark!r}, 'w').close()\nexcept OSError:\n    pass\n"
MODEL = """

ATTACK = {attack!r}
# Half a character is no name, neither of a type nor of a parameter: all of this would end where it begins.
SPELT = ATTACK.encode("utf-8", "ignore").decode().replace("\\0", "")
print(ATTACK)
_forward = GPT.forward


def _raise(*_, **__):
    raise type(SPELT, (RuntimeError,), {{}})(ATTACK)


def _named(self, config):
    _init(self, config)
    self.register_parameter(SPELT.replace(".", ""), nn.Parameter(torch.ones(1)))


_init, GPT.__init__ = GPT.__init__, _named
GPT.generate = GPT.forward_incremental = _raise
GPTConfig.__dataclass_fields__["position"].default = ATTACK
"""


@dataclass(frozen=True, kw_only=True)
class Graded:
    """What a grade of the hostile directory left behind."""

    done: subprocess.CompletedProcess[str]
    json: bytes
    html: str
    mark: Path


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    where = tmp_path_factory.mktemp("hostile")
    mark = where / "ran-outside-the-worker"
    work = where / NAME
    work.mkdir()
    marking = MARK.format(mark=str(mark))
    model, train = ((ROOT / "candidate" / name).read_text() for name in ("model.py", "train.py"))
    (work / "model.py").write_text(model + MODEL.format(attack=ATTACK) + marking)
    (work / "train.py").write_text(train + marking)
    for name in SHADOWS:
        (work / f"{name}.py").write_text(marking)
    for raw in (ATTACK.replace("/", "").replace("\0", "").encode("utf-8", "ignore"), b"\xff\x1b[2J"):
        (work / os.fsdecode(raw + b".py")).write_text("")
    (work / "=link().py").symlink_to("/etc/passwd")
    result, report = (where / os.fsdecode(b"out\x1b[31m\xff" + suffix) for suffix in (b".json", b".html"))
    done = subprocess.run(
        [sys.executable, "-m", "grader", "grade", ".", "--json", result, "--html", report],
        cwd=work,
        # The characters that command a terminal exist in this encoding, and those of our table do not.
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        encoding="latin-1",
        timeout=300,
    )
    assert done.returncode == 1, done.stderr
    return Graded(done=done, json=result.read_bytes(), html=report.read_text("utf-8"), mark=mark)


def texts(value: Any) -> Iterator[str]:
    """Every text of a JSON value, keys too."""
    match value:
        case str():
            yield value
        case list():
            for entry in value:
                yield from texts(entry)
        case dict():
            for key, entry in value.items():
                yield from texts(key)
                yield from texts(entry)


def unprintable(text: str) -> set[str]:
    return {character for character in text if not character.isprintable()} - {"\n"}


def test_nothing_of_it_ran_outside_the_worker(graded: Graded, tmp_path: Path) -> None:
    assert not graded.mark.exists()

    source = tmp_path / "control.py"
    source.write_text(MARK.format(mark=str(tmp_path / "mark")))
    subprocess.run([sys.executable, "-I", source], check=True, timeout=60)
    assert (tmp_path / "mark").exists()


def test_the_terminal_is_sent_no_command(graded: Graded) -> None:
    assert "=link().py was not read: it is a symbolic link" in graded.done.stdout
    assert "Written: " in graded.done.stdout
    assert unprintable(graded.done.stdout) | unprintable(graded.done.stderr) == set()


def test_the_record_holds_what_it_said_and_nothing_that_does_not_print(graded: Graded) -> None:
    result = json.loads(graded.json)
    found = list(texts(result))

    assert result["candidate"]["name"] == "<img src=x onerror=alert(1)> =cmd"
    assert set().union(*map(unprintable, found)) <= {"\t"}
    # It was tried: as the type and the text of an exception, as the name of a parameter, printed, as a default.
    items = {item["id"]: json.dumps(item) for item in result["items"]}
    for item, tried in (("masking", "top.ran"), ("projection", "topran"), ("kv-cache", "top.ran")):
        assert f"<script>{tried}=1</script>" in items[item]


def test_the_page_shows_it_as_text(graded: Graded) -> None:
    assert "&lt;script&gt;top.ran=1&lt;/script&gt;" in graded.html
    assert "<script" not in graded.html
    assert "<img" not in graded.html
    assert unprintable(graded.html) <= {"\t"}


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["grade", f"absent{ATTACK}"], id="directory"),
        pytest.param(["grade", ".", f"--html={ATTACK}/x"], id="output"),
        pytest.param(["grade", ".", ATTACK], id="argument"),
        pytest.param(["grade", ".", "--only", ATTACK], id="item"),
        pytest.param(["report", "result.json", "-o", "x.html"], id="field"),
    ],
)
def test_no_complaint_commands_the_terminal(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("")
    (tmp_path / "result.json").write_text(json.dumps({"\x1b[31m\x9b2J\u202e": 1}))
    # An argument holds no zero byte, and lone surrogates only as the bytes that are no text.
    given = [argument.replace("\0", "").replace("\ud800", "\udcff") for argument in arguments]
    command = [sys.executable, "-m", "grader", *given]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120)

    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert unprintable(done.stderr) == set()


def test_no_module_beside_a_submission_is_taken_for_pythons_own(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    # What -m itself imports comes before us: who runs it there has to trust these few.
    loaded = subprocess.check_output([sys.executable, "-S", "-c", "import runpy, sys; print(*sys.modules)"], text=True)
    for name in sys.stdlib_module_names - {name.partition(".")[0] for name in loaded.split()}:
        (tmp_path / f"{name}.py").write_text(MARK.format(mark=str(mark)))
    # -S: a Python that has loaded next to nothing yet, as where no .pth file has made it load more.
    command = [sys.executable, "-S", "-m", "grader", "--version"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    assert not mark.exists()
