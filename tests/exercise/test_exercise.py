"""The built-in exercise is sound, and a folder that is none is told why."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.errors import UsageError
from grader.exercise.model import Exercise, StoredExercise, builtin_reference, read_exercise
from mutations.edit import splice

NO_SEEDS = {"grader": "0", "torch": "0", "cpu": "", "seeds": [], "rows": []}


@pytest.fixture
def folder(tmp_path: Path, exercise: StoredExercise) -> Path:
    """A copy of the built-in exercise, in the layout of a generated one."""
    for source, name in ((exercise.reference_directory, "reference"), (exercise.starter_directory, "starter")):
        shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_a_folder_is_read_as_the_built_in_exercise_is(folder: Path, exercise: Exercise) -> None:
    read = read_exercise(folder)

    for part in ("rubric", "key", "reference", "visible_tests"):
        assert getattr(read, part) == getattr(exercise, part)
    assert "def test_" in read.visible_tests


def test_the_built_in_exercise_has_four_bugs_two_extensions_and_100_points(exercise: StoredExercise) -> None:
    assert [item.kind for item in exercise.rubric.item] == ["bug"] * 4 + ["extension"] * 2
    assert sum(item.points for item in exercise.rubric.item) == 100
    assert {bug.item for bug in exercise.key.bugs} == {i.id for i in exercise.rubric.item if i.kind == "bug"}
    assert exercise.reference_directory == builtin_reference()


def test_tests_beside_a_reference_are_no_part_of_it(exercise: StoredExercise) -> None:
    assert (exercise.reference_directory / "test_end_to_end.py").is_file()
    assert sorted(exercise.reference) == ["followups.py", "model.py", "train.py"]


def test_every_bug_and_stub_together_make_the_starter(exercise: StoredExercise) -> None:
    edits = [planted.edit for planted in (*exercise.key.bugs, *exercise.key.stubs)]
    for name, text in exercise.reference.items():
        made = splice(text, [edit for edit in edits if edit.file == name])

        assert made == (exercise.starter_directory / name).read_text("utf-8")


def test_a_variant_differs_from_the_reference_by_its_bugs_alone(exercise: Exercise) -> None:
    assert exercise.variant(frozenset()) == exercise.reference
    for bug in exercise.key.bugs:
        changed = exercise.variant(frozenset({bug.item}))

        assert [name for name in changed if changed[name] != exercise.reference[name]] == [bug.file]
        assert splice(exercise.reference[bug.file], [bug.edit]) == changed[bug.file]


def test_each_bug_is_in_one_comparison(exercise: Exercise) -> None:
    found = [name for comparison in exercise.rubric.comparisons for name in exercise.bugs_in(comparison)]

    assert [item.id for item in exercise.rubric.item if item.kind == "bug"] == found


def in_toml(old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "reference" / "exercise.toml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")

    return spoil


def no_item(folder: Path) -> None:
    path = folder / "reference" / "exercise.toml"
    text = path.read_text("utf-8")
    path.write_text(f"item = []\n{text[: text.index('[[item]]')]}{text[text.index('[[followup]]') :]}", "utf-8")


def in_key(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "reference" / "key.json"
        key = json.loads(path.read_text("utf-8"))
        key["bugs"][0].update(changes)
        path.write_text(json.dumps(key), "utf-8")

    return spoil


def in_key_itself(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "reference" / "key.json"
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")

    return spoil


def in_stub(**changes: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / "reference" / "key.json"
        key = json.loads(path.read_text("utf-8"))
        key["stubs"][0].update(changes)
        path.write_text(json.dumps(key), "utf-8")

    return spoil


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink() if (folder / name).is_file() else shutil.rmtree(folder / name)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(without("reference"), "not an exercise: .*exercise.toml", id="no-reference"),
        pytest.param(without("reference/exercise.toml"), "not an exercise: .*exercise.toml", id="no-toml"),
        pytest.param(without("reference/key.json"), "not an exercise: .*key.json", id="no-key"),
        pytest.param(without("reference/model.py"), "its reference has no model.py", id="no-model"),
        pytest.param(in_toml("[[item]]", "[[item"), "not an exercise: ", id="bad-toml"),
        pytest.param(in_toml("title = ", "titel = "), "exercise.toml has the key 'titel'; .*did you mean",
                     id="misspelt-field"),
        pytest.param(in_toml("core = [", "cores = ["), r"\[\[item\]\] number 1 \('masking'\) has the key 'cores'; ",
                     id="misspelt-key-of-an-item"),
        pytest.param(in_toml("future-is-hidden = 6", "future-is-hidden = -6"),
                     r"\[\[item\]\] number 1 \('masking'\): earns = .*Expected float >= 0", id="negative-weight"),
        pytest.param(in_toml('kind = "bug"', 'kind = "beetle"'), "not an exercise: .*'beetle'", id="bad-kind"),
        pytest.param(in_toml("points = 15", "points = -15"), "not an exercise: .*> 0", id="negative-points"),
        pytest.param(in_toml("points = 15", "points = 0"), "not an exercise: .*> 0", id="no-points"),
        pytest.param(in_toml("points = 10", "points = 0"), "not an exercise: .*> 0", id="no-points-for-more"),
        pytest.param(in_toml("points = 15", 'points = "15"'), r"number 1 \('masking'\): points = '15': Expected float",
                     id="points-as-text"),
        pytest.param(in_toml("points = 15", "points = 15.001"), "at most two digits", id="less-than-a-cent"),
        pytest.param(in_toml('title = "A GPT', 'feedback = "all"\ntitle = "A GPT'), "feedback = 'all': ",
                     id="feedback"),
        pytest.param(
            in_toml("future-is-hidden", "future-is-bright"),
            "item 'masking' names the check 'future-is-bright', which does not exist", id="unknown-check",
        ),
        pytest.param(in_toml("past-is-seen", "past-is-lost"), "names the check 'past-is-lost'", id="unknown-guard"),
        pytest.param(in_toml('"cache-can-be-mixed"]', '"cache-is-red"]'), "'cache-is-red'", id="unknown-essential"),
        pytest.param(in_toml("mutants = { kv-cache = 3", "mutants = { kv-cash = 3"), "not an exercise: .*'kv-cash'",
                     id="unknown-kind-of-mutants"),
        pytest.param(in_toml("determinism = 2 }", "determinism = 0 }"), "not an exercise: .*>= 1", id="no-mutant"),
        pytest.param(in_toml("\nmutants = {", "\nunexplained = 0  # {"),
                     "'own-tests' is about own tests: it needs mutants", id="no-mutants"),
        pytest.param(in_toml("\nmutants = {", "\nearns = { past-is-seen = 10 }\nmutants = {"),
                     "'own-tests' is about own tests: .* no check", id="own-tests-by-a-check"),
        pytest.param(in_key(item="nothing"), "a bug for the item 'nothing', which does not exist", id="unknown-item"),
        pytest.param(in_key(before="something else"), "its bugs and gaps cannot be planted", id="other-text"),
        pytest.param(in_key(span=[0, 10**9]), "its bugs and gaps cannot be planted", id="span-beyond-the-file"),
        pytest.param(in_key(span="all"), "not an exercise: ", id="span-as-text"),
        pytest.param(in_stub(span=[1, 2]), "its bugs and gaps cannot be planted", id="gap-elsewhere"),
        pytest.param(in_stub(file="../../model.py"), r"its reference has no \.\./\.\./model.py", id="gap-outside"),
        pytest.param(in_key_itself(format=2), "its key.json has format=2; this grader reads format 1", id="format"),
        pytest.param(in_key_itself(certificate=NO_SEEDS), r"not an exercise: .*>= 1 - at `\$.certificate.seeds`",
                     id="no-seeds"),
        pytest.param(in_toml('id = "position"', 'id = "masking"'), "it has the item 'masking' twice", id="item-twice"),
        *(
            pytest.param(in_toml('id = "classifier"', f'id = "{name}"'), f"it has the item '{name}'; ", id=name)
            for name in ("score", "solved", "reward")
        ),
        pytest.param(in_toml('id = "multi-head"', 'id = "reward"'), "it has the item 'reward'; ", id="follow-up"),
        pytest.param(no_item, "it has no item", id="no-item"),
        pytest.param(in_toml('"forward"', '"forward", "forward"'), "it has the comparison 'forward' twice",
                     id="comparison-twice"),
    ],
)  # fmt: skip
def test_an_exercise_that_is_not_sound_is_refused(spoil: Callable[[Path], None], message: str, folder: Path) -> None:
    spoil(folder)

    with pytest.raises(UsageError, match=message):
        read_exercise(folder)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (
            "[[item]]",
            "[[item",
            r"Expected '\]\]' at the end of an array declaration at line \d+, column 7; expected lines",
        ),
        ('title = "A GPT', 'title = A "GPT', r"Invalid value at line 5, column 9; expected lines"),
        (
            "[[item]]",
            'a = """',
            r"at its end \(line \d+\), where a text, a list or a table that begins before it is",
        ),
    ],
    ids=["bracket", "text", "never-closed"],
)
def test_broken_toml_is_named_with_its_file_and_place(old: str, new: str, where: str, folder: Path) -> None:
    in_toml(old, new)(folder)

    with pytest.raises(UsageError, match=rf"not an exercise: '.*': reference/exercise\.toml is not TOML: .*{where}"):
        read_exercise(folder)


def test_a_broken_key_is_named(folder: Path) -> None:
    (folder / "reference" / "key.json").write_text("{")

    with pytest.raises(UsageError, match=r"key\.json cannot be read: .*; expected it as `grader inject` wrote it"):
        read_exercise(folder)


def test_a_reference_is_read_byte_for_byte(folder: Path) -> None:
    """Edits lie at bytes: line ends that were made plain on the way would move them."""
    (folder / "reference" / "more.py").write_bytes(b"one = 1\r\ntwo = 2\r\n")

    assert read_exercise(folder).reference["more.py"] == "one = 1\r\ntwo = 2\r\n"


def test_text_that_is_not_utf_8_is_no_exercise(folder: Path) -> None:
    (folder / "reference" / "exercise.toml").write_bytes(b"title = '\xff'")

    with pytest.raises(UsageError, match=r"not an exercise: .*utf-8"):
        read_exercise(folder)


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_no_directory_is_no_exercise(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match=r"no such exercise: .*expected a directory with reference/ and starter/"):
        read_exercise(tmp_path / name)
