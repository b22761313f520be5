"""The documentation is true: its commands run, its links lead somewhere, its tables are complete."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from grader.cli.options import FEEDBACK
from grader.exercise.model import Feedback, Item, Rubric, in_points
from grader.result import record
from mutations.catalogue import EVERY

ROOT = Path(__file__).resolve().parents[2]
AT_THE_TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in AT_THE_TOP), *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
A_CHECK = (ROOT / "docs" / "authoring-a-check.md").read_text(encoding="utf-8")
AN_OPERATOR = (ROOT / "docs" / "authoring-an-operator.md").read_text(encoding="utf-8")
COHORT = (ROOT / "docs" / "cohort.md").read_text(encoding="utf-8")
ENVIRONMENTS = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
BRING_YOUR_OWN = (ROOT / "docs" / "bring-your-own.md").read_text(encoding="utf-8")
LIBRARY = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
EXERCISE_TOML = (ROOT / "docs" / "exercise-toml.md").read_text(encoding="utf-8")
FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")

OF_THE_LIBRARY = "docs/examples/gpt2"  # whose model.py is copied from transformers, where that is installed

# Installing is what CI does first; the test of the wheel does it again.
SET_UP = {
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    "python -m pip install -c constraints.txt -e .",
}


def commands(page: str) -> list[str]:
    """The lines of a page's sh and console blocks, without comments; of a console only what is typed."""
    found = []
    for kind, block in re.findall(r"^```(sh|console)\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL):
        lines = block.splitlines()
        typed = lines if kind == "sh" else [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        found += [shlex.join(shlex.split(line, comments=True)) for line in typed]
    return [command for command in found if command]


def records() -> list[type[record.Frozen]]:
    return [cls for cls in vars(record).values() if isinstance(cls, type) and issubclass(cls, record.Frozen)]


def printed(code: str, where: Path) -> str:
    """What a Python programme prints, once it has ended well and without a warning."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=where, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run(programme: Path, arguments: list[str], where: Path) -> tuple[int, str]:
    """The exit code, and what was said if there was no verdict."""
    done = subprocess.run([programme, *arguments], cwd=where, capture_output=True, text=True, timeout=600)
    return done.returncode, done.stderr if done.returncode > 1 else ""


def watched(programme: Path, arguments: list[str], where: Path) -> tuple[int, str]:
    """The same for a command that goes on until it is interrupted: after its first verdict."""
    process = subprocess.Popen(
        [programme, *arguments], cwd=where, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with process:
        assert process.stdout is not None
        seen = next((line for line in process.stdout if line.startswith("Score: ")), "no verdict")
        process.terminate()
        process.stdout.read()
    return process.returncode, "" if seen.startswith("Score: ") else seen


def test_every_command_of_the_readme_is_one_that_something_runs():
    kinds = {"make", "grader"}
    strange = [c for c in commands(README) if c not in SET_UP and shlex.split(c)[0] not in kinds]

    assert strange == []
    assert {"make grade", "make test"} <= set(commands(README))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "written"),
    [
        (README, ["report.html", "result.json"]),
        (FORMATS, ["junit.xml", "report.html", "result.json", "results.json", "summary.md"]),
        (COHORT, ["results/index.html", "results/candidates/ann/report.html"]),
        (
            ENVIRONMENTS,
            [
                "task/instruction.md",
                "task/tests/exercise/reference/model.py",
                "gpt_env/client.py",
                "gpt_env/source/grader/api.py",
            ],
        ),
        (BRING_YOUR_OWN, ["exercise/reference/key.json", "homework/README.md"]),
        (A_CHECK, []),
        (AN_OPERATOR, []),
    ],
    ids=[
        "README.md",
        "formats.md",
        "cohort.md",
        "environments.md",
        "bring-your-own.md",
        "authoring-a-check.md",
        "authoring-an-operator.md",
    ],
)
def test_every_grader_command_of_the_page_works_in_the_order_given(page, written, tmp_path):
    shutil.copytree(ROOT / "candidate", tmp_path / "candidate", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    (tmp_path / OF_THE_LIBRARY / "model.py").unlink(missing_ok=True)  # as whoever has run the page's commands has it
    for name in ("ann", "bob"):
        shutil.copytree(tmp_path / "candidate", tmp_path / "submissions" / name)
    shutil.make_archive(str(tmp_path / "submissions"), "zip", tmp_path / "submissions")
    shutil.copytree(tmp_path / "submissions", tmp_path / "second-submissions")
    (tmp_path / "submissions.jsonl").write_text('{"id": "ann", "path": "submissions/ann"}\n')
    programme = Path(sys.executable).with_name("grader")
    codes = {}
    for command in commands(page):
        first, *rest = shlex.split(command)
        if first == "grader" and (find_spec("transformers") or "gpt2" not in command):
            ended = watched if rest[0] == "watch" else run
            codes[command] = ended(programme, rest, tmp_path)

    assert {c: (1 if c.startswith("grader grade") and "--check" not in c else 0, "") for c in codes} == codes
    assert codes != {}
    assert [name for name in written if (tmp_path / name).stat().st_size < 1_000] == []


def python_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_code_of_the_library_page_runs_and_prints_what_it_says(tmp_path):
    grades, rewards, side_by_side, first = (printed(block, tmp_path) for block in python_blocks(LIBRARY))

    assert grades == "0.0 of 30.0 0.0\nmasking not-fixed 0.0 of 15.0\nprojection not-fixed 0.0 of 15.0\n"
    assert rewards == "[0.0, 1.0]\n"
    assert side_by_side == "[(0, 0.0), (1, 1.0), (2, None)]\n"
    assert first == "0.0\n"


@pytest.mark.slow
def test_the_code_of_the_readme_runs(generated, tmp_path):
    shutil.copytree(generated(seed=3, bugs=2), tmp_path / "exercise")
    texts = [(tmp_path / "exercise" / "starter" / name).read_text("utf-8") for name in ("model.py", "train.py")]
    [block] = python_blocks(README)

    assert printed(f"model, train = {texts!r}\n{block}", tmp_path) == "0.0 0.0\n"


@pytest.mark.parametrize(
    "page", [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "docs/development.md", ".ci/run"))], ids=str
)
def test_every_make_target_that_is_named_exists(page):
    make = shutil.which("make")
    if make is None:
        pytest.skip("no make on this machine")
    named = set(re.findall(r"^(?:    stage .*)?make (?:--[a-z-]+ )*([a-z-]+)", page.read_text("utf-8"), re.MULTILINE))
    assert named != set()
    tries = {name: subprocess.run([make, "-n", name], cwd=ROOT, capture_output=True).returncode for name in named}

    assert dict.fromkeys(named, 0) == tries


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]

    assert missing == []


@pytest.mark.parametrize("cls", records(), ids=lambda cls: cls.__name__)
def test_the_json_page_names_every_field(cls):
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    unnamed = [field.encode_name for field in msgspec.structs.fields(cls) if f"`{field.encode_name}`" not in page]

    assert unnamed == []


@pytest.mark.parametrize(("heading", "kind"), [("Keys of the file", Rubric), ("Keys of an item", Item)])
def test_the_page_on_rubrics_has_every_key_and_no_other(heading, kind):
    section = EXERCISE_TOML.partition(f"## {heading}")[2].partition("\n## ")[0]
    keys = re.findall(r"^\| `([\w-]+)` \|", section, flags=re.MULTILINE)

    assert sorted(keys) == sorted(field.encode_name for field in msgspec.structs.fields(kind))


def test_the_page_on_rubrics_names_every_level_and_what_every_weight_of_its_example_comes_to():
    [example] = re.findall(r"^```toml\n(.*?)^```", EXERCISE_TOML, flags=re.MULTILINE | re.DOTALL)
    [item] = map(in_points, msgspec.convert(tomllib.loads(example), Rubric).item)
    levels = re.findall(r'^\| `"(\w+)"` \|', EXERCISE_TOML, flags=re.MULTILINE)

    assert levels == [level.value for level in record.Feedback] == list(get_args(Feedback)) == list(FEEDBACK)
    assert (item.earns, item.exact, item.takes) == (
        {"future-is-hidden": 15.0, "gradient-is-causal": 10.0},
        5.0,
        {"past-is-seen": 30.0},
    )


def test_the_picture_of_the_report_is_small():
    assert (ROOT / "docs" / "images" / "report.png").stat().st_size < 300_000


def test_nothing_that_is_handed_out_names_a_machine_or_a_registry():
    others = ("Makefile", "constraints.txt", "pyproject.toml", "setup.py", "mkdocs.yml", ".ci/run")
    files = [*PAGES, *(ROOT / name for name in others)]
    pattern = re.compile(r"file://|--(extra-)?index-url|/home/|/root/|/tmp/|pypi", re.IGNORECASE)
    named = [(file.name, found.group()) for file in files if (found := pattern.search(file.read_text("utf-8")))]

    assert named == []


def test_the_readme_says_about_how_many_bugs_there_are() -> None:
    assert "a catalogue of about a hundred and ninety, each modelled" in README
    assert abs(len(EVERY) - 190) < 10


def test_every_file_of_the_starter_is_named_where_it_is_said_what_a_learner_gets() -> None:
    files = {path.name for path in (ROOT / "candidate").glob("*.py")}
    [learner] = re.findall(r"^## The learner\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    [library] = re.findall(r"^files = starter_files\(exercise\)  # (.*)$", LIBRARY, flags=re.MULTILINE)

    assert {name for name in files if name != "test_visible.py"} <= set(re.findall(r"`(\w+\.py)`", learner))
    assert "visible tests" in learner
    assert files <= set(re.findall(r"\w+\.py", library))


def test_the_readmes_grade_looks_as_grades_do() -> None:
    [shown] = re.findall(r"^```text\n(A GPT with four bugs.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    judged = re.findall(r"^  \S.* of \d+$\n(    tested up to .*)$", shown, flags=re.MULTILINE)

    assert len(judged) == 5  # all but the one that is not built
