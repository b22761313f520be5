"""What a learner is told: how many bugs, what to build, and for how many points."""

import re

import pytest

from grader.exercise.model import Item, Rubric, StoredExercise
from grader.exercise.starter import WHERE, readme


def rubric(bugs: list[float], extensions: list[float]) -> Rubric:
    def item(kind: str, number: int, points: float) -> Item:
        name = f"{kind}-{number}"
        return Item(id=name, title=name, kind=kind, points=points, earns={"a": points})  # type: ignore[arg-type]

    items = [item("bug", i, points) for i, points in enumerate(bugs)]
    items += [item("extension", i, points) for i, points in enumerate(extensions)]
    return Rubric(id="x", title="X", comparisons=("forward",), item=tuple(items))


def table(text: str) -> list[tuple[str, str]]:
    """The rows of the table of points."""
    rows = re.findall(r"^\| (.+) \| (.+) \|$", text, flags=re.MULTILINE)
    return [row for row in rows if row != (" ", " ")]


def test_the_readme_of_the_built_in_starter_is_this_one(exercise: StoredExercise) -> None:
    committed = (exercise.starter_directory / "README.md").read_text("utf-8")

    assert readme(exercise.rubric, WHERE, files=exercise.reference, built_in=True) == committed


def test_who_has_an_exercise_of_a_folder_is_told_where_the_commands_know_it() -> None:
    some = rubric([25.0] * 4, [])
    built_in, generated = readme(some, built_in=True), readme(some)

    for command in ("grader grade .", "grader watch .", "grader hint . ITEM"):
        assert re.search(rf"^{re.escape(command)}  ", built_in, re.MULTILINE)
        assert re.search(rf"^{re.escape(command)} --exercise DIR  ", generated, re.MULTILINE)
    assert "`grader start FOLDER --exercise DIR`" in generated
    assert "DIR" not in built_in


@pytest.mark.parametrize("extensions", [[], [20.0, 20.0]], ids=["kept", "to-build"])
def test_dropout_is_not_said_to_be_left_out(extensions: list[float]) -> None:
    assert "`dropout=" not in readme(rubric([15.0] * 4, extensions))


@pytest.mark.parametrize(
    ("bugs", "words"),
    [(1, "one bug"), (2, "two bugs"), (3, "three bugs"), (4, "four bugs"), (5, "five bugs"), (6, "six bugs")],
)
def test_the_number_of_bugs_is_a_word(bugs: int, words: str) -> None:
    for extensions in ([], [20.0, 20.0]):
        assert f"**Find and fix {words}**" in readme(rubric([10.0] * bugs, extensions))


def test_where_the_bugs_are_is_said_only_where_it_was_given() -> None:
    some = rubric([60.0], [20.0, 20.0])

    assert "**Find and fix one bug**: in `train.py`. It is small" in readme(some, ": in `train.py`")
    assert "**Find and fix one bug**. It is small" in readme(some)


def test_one_bug_alone_is_not_judged_apart_from_others() -> None:
    one, two = readme(rubric([100.0], [])), readme(rubric([50.0, 50.0], []))

    assert table(one) == [("the bug", "100"), ("together", "100")]
    assert table(two) == [("each of the two bugs", "50"), ("together", "100")]
    assert "apart from each other" not in one
    assert "apart from each other" in two


def test_unequal_points_are_both_said() -> None:
    assert table(readme(rubric([34.0, 33.0, 33.0], []))) == [
        ("each of the three bugs", "33 or 34"),
        ("together", "100"),
    ]
    assert table(readme(rubric([60.0], [25.0, 15.0]))) == [
        ("the bug", "60"),
        ("each of the two extensions", "15 or 25"),
        ("together", "100"),
    ]


def test_with_extensions_kept_nothing_is_said_to_be_built() -> None:
    built, open_ = readme(rubric([25.0] * 4, [])), readme(rubric([15.0] * 4, [20.0, 20.0]))

    assert "The cache, the classifier and the heads are built already" in built
    for words in ("Build two extensions", "NotImplementedError", "`n_head=1`"):
        assert words in open_
        assert words not in built


@pytest.mark.parametrize("extensions", [[], [20.0, 20.0]], ids=["kept", "to-build"])
def test_the_text_is_tidy(extensions: list[float]) -> None:
    text = readme(rubric([15.0] * 4, extensions))

    prose = re.sub(r"^```.*?^```", "code", text, flags=re.MULTILINE | re.DOTALL)

    assert "\n\n\n" not in prose
    assert all(line == line.rstrip() for line in text.splitlines())
    assert text.endswith(".\n")
    assert re.search(r"\{[{%]|[}%]\}", text) is None
