"""Exercises whose bugs come with a refactoring, and exercises in other words: proven, told, and repaired end to end.

One exercise that is both is built for all of these tests: the proof of the refactorings and of the other words takes
whole grades, and no smaller piece shows that a learner who repairs the bug alone gets full marks.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grader.cli.inject import in_other_words as told_in_a_line
from grader.comparisons.catalogue import COMPARISONS, EVERY
from grader.errors import UsageError
from grader.exercise.key import Reworded
from grader.exercise.model import StoredExercise, read_exercise
from grader.exercise.starter import starter_files
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.injection import build as building
from grader.injection import workshop as workshops
from grader.injection.build import build, reworded
from grader.injection.choose import mutants
from grader.injection.folder import to_json
from grader.injection.observe import Observer
from grader.injection.recipe import Recipe
from grader.packages.worker_pool import WorkerPool
from grader.result.record import Lane, Result, Status
from grader.review.lessons import lessons
from grader.review.render import REWRITTEN, render_review, render_review_page
from grader.sandbox.client import Launcher
from grader.sandbox.questions import ADAPTER
from grader.submission.read import submission_of
from mutations.by_products import BY_PRODUCTS
from mutations.edit import Edit, Rewritten
from mutations.source import Source

pytestmark = pytest.mark.slow  # an exercise is built, and its variants are graded

TESTS = Path(__file__).resolve().parents[1]
ADAPTED, FOREIGN = TESTS / "injection" / "adapted", TESTS / "mutations" / "foreign"
STYLES = ("example", "mini", "book", "tiny_llama", "script")


@pytest.fixture(scope="module")
def made(generated: Callable[..., Path]) -> StoredExercise:
    """Two bugs with a refactoring, in a GPT in other words."""
    return read_exercise(generated(seed=3, bugs=2, style="refactored", reword=True))


def adapted(name: str) -> dict[str, str]:
    """A GPT that keeps no contract, with its adapter.py."""
    folders = [TESTS.parent / "docs" / "examples" / "nano"] if name == "example" else [FOREIGN / name, ADAPTED / name]
    files = {path.name: path.read_text("utf-8") for folder in folders for path in sorted(folder.glob("*.py"))}
    if "train_gpt2.py" in files:
        files["model.py"] = files.pop("train_gpt2.py")
    return files


def graded(files: dict[str, str], exercise: StoredExercise, launcher: Launcher) -> Result:
    bugs = tuple(bug.item for bug in exercise.key.bugs)
    with Session(exercise, launcher, Keep.NOTHING) as session:
        return session.grade(submission_of("candidate", files), Options(only=bugs, seed=5, explain=False))


# The refactoring alone computes the same


def test_every_refactoring_of_the_reference_computes_the_same_bits(
    launcher: Launcher, exercise: StoredExercise
) -> None:
    pool = WorkerPool(launcher)
    observer = Observer(pool, exercise.reference, (), [1])
    found = list(mutants(exercise.reference, BY_PRODUCTS))
    told = {}
    for mutant in found:
        honest = mutant.honest_files(exercise.reference)
        assert honest is not None
        told[str(mutant)] = observer.shows_in(honest, COMPARISONS)
    wrong = observer.shows_in(found[0].files(exercise.reference), COMPARISONS)
    pool.close()

    assert {name: seen for name, seen in told.items() if seen} == {}
    assert len({mutant.operator.id for mutant in found}) >= 12
    assert wrong  # the same questions tell a bug


@pytest.mark.parametrize("name", STYLES)
def test_every_refactoring_of_a_foreign_source_computes_the_same_bits(name: str, launcher: Launcher) -> None:
    files = adapted(name)
    pool = WorkerPool(launcher, adapter=files[ADAPTER])
    observer = Observer(pool, files, (), [1])
    found = list(mutants(files, BY_PRODUCTS))
    told = {}
    for mutant in found:
        honest = mutant.honest_files(files)
        assert honest is not None
        told[str(mutant)] = observer.shows_in(honest, EVERY)
    pool.close()

    assert found
    assert {name: seen for name, seen in told.items() if seen} == {}


def test_a_refactoring_that_changes_bits_is_refused(
    launcher: Launcher, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An honest twin that is not honest: the bug itself stands in it."""
    planted_by = next(each for each in BY_PRODUCTS if each.id == "position-sum-lost-in-a-helper")

    def edits(source: Source) -> Iterator[Edit]:
        for edit in planted_by.edits(source):
            yield Rewritten(edit.file, edit.start, edit.end, edit.before, edit.after, edit.after)

    monkeypatch.setattr(workshops, "_operator", lambda _: replace(planted_by, edits=edits))

    with pytest.raises(UsageError, match=r"the refactoring alone changes what is computed \(forward"):
        build(Recipe(operators=(planted_by.id,)), exercise.reference, launcher, lambda _: None)


# A learner repairs the bug alone


def test_the_bug_repaired_in_the_refactored_text_is_full_marks(made: StoredExercise, launcher: Launcher) -> None:
    starter = made.starter()
    repaired = {}
    for file, text in starter.items():
        for bug in made.key.bugs:
            if bug.file == file:
                assert isinstance(bug.honest, str)
                assert text.count(bug.after) == 1
                text = text.replace(bug.after, bug.honest)
        repaired[file] = text
    result = graded(repaired, made, launcher)

    assert repaired != made.reference
    assert all(repaired[bug.file] != starter[bug.file] for bug in made.key.bugs)
    assert {item.status for item in result.items} == {Status.FIXED}
    assert {item.lane for item in result.items} == {Lane.BITWISE}
    assert [item.score for item in result.items] == [item.max_score for item in result.items]
    assert result.remaining_bugs == ()


def test_the_starter_still_has_its_bugs(made: StoredExercise, launcher: Launcher) -> None:
    result = graded(made.starter(), made, launcher)

    assert {item.status for item in result.items} == {Status.NOT_FIXED}
    assert result.remaining_bugs == tuple(bug.item for bug in made.key.bugs)


def test_key_and_certificate_record_it(made: StoredExercise, exercise: StoredExercise) -> None:
    certificate = made.key.certificate

    assert certificate is not None
    assert isinstance(made.key.reworded, Reworded)
    assert made.key.reworded.seed == 3
    assert 0 < made.key.reworded.lines < 0.8
    assert 0 < made.key.reworded.tokens < 0.9  # two hand-ins are near copies from 0.9 on
    assert f"{made.key.reworded.tokens:.2f}" in told_in_a_line(made.key.reworded)
    assert not isinstance(certificate.repaired, type(exercise.key.certificate.repaired))  # type: ignore[union-attr]
    assert set(certificate.repaired.statuses.values()) == {"fixed"}  # type: ignore[union-attr]
    assert {"honest", "repaired", "reworded"}.isdisjoint(re.findall(r'"(\w+)":', to_json(exercise.key)))


# It is told


def test_a_review_shows_the_repair_by_itself_and_what_was_rewritten_beside_it(made: StoredExercise) -> None:
    told = lessons(made)
    text, page = render_review(told), render_review_page(told)

    for bug in told.bugs:
        changed = [line for line in bug.diff.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]
        around = [line for line in bug.rewriting.splitlines() if line[:1] in "+-"]
        assert 0 < len(changed) < len(around)
        assert bug.what in " ".join(text.split())
    assert text.count(REWRITTEN) == page.count(f"<summary>{REWRITTEN}</summary>") == len(told.bugs)


def test_a_review_of_plain_bugs_speaks_of_no_rewriting(exercise: StoredExercise) -> None:
    assert {bug.rewriting for bug in lessons(exercise).bugs} == {""}
    assert REWRITTEN not in render_review(lessons(exercise))


def test_a_hint_says_how_the_bug_came_about(made: StoredExercise) -> None:
    for bug in made.key.bugs:
        assert "It went wrong when the lines around it were" in bug.hints[2]


# Other words


def test_all_that_a_learner_reads_names_what_is_there(made: StoredExercise, exercise: StoredExercise) -> None:
    """README, visible tests, hints, rubric: no name that the reference had and its other words have not."""
    old, new = (set(re.findall(r"\w+", "\n".join(each.reference.values()))) for each in (exercise, made))
    gone = {name for name in old - new if "_" in name or re.search("[a-z][A-Z]", name)}
    files = starter_files(made)
    read = [files["README.md"], files["test_visible.py"]]
    read += [hint for item in made.titles for hint in made.hints_of(item) or ()]
    read += made.titles.values()

    assert len(gone) >= 10
    assert [name for name in gone if re.search(rf"\b{name}\b", "\n".join(read))] == []


def test_the_text_from_before_is_a_solution_still(
    made: StoredExercise, exercise: StoredExercise, launcher: Launcher
) -> None:
    """The contract fixes every name that a grade needs: other words keep no memorised file from being right."""
    result = graded(exercise.reference, made, launcher)

    assert {item.status for item in result.items} == {Status.FIXED}


def test_with_an_adapter_the_text_from_before_does_not_load(launcher: Launcher) -> None:
    files = adapted("example")
    made, _ = reworded(files, 1, (1,), launcher, lambda _: None)
    before = {**files, ADAPTER: made[ADAPTER]}
    pool = WorkerPool(launcher, adapter=made[ADAPTER])
    observer = Observer(pool, made, (), [1])
    again, remembered = (observer.shows_in(each, EVERY) for each in (made, before))
    pool.close()

    assert again == ()
    assert "forward" in " ".join(remembered)
    assert made[ADAPTER] != files[ADAPTER]


def test_other_words_that_compute_something_else_are_refused(
    launcher: Launcher, exercise: StoredExercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(files: dict[str, str], *_: object, **__: object) -> dict[str, str]:
        return {**files, "train.py": files["train.py"].replace("(step + 1)", "(step + 2)")}

    monkeypatch.setattr(building, "in_other_words", wrong)

    with pytest.raises(UsageError, match=r"seed=1: in other words this reference computes something else \(training"):
        reworded(exercise.reference, 1, (1,), launcher, lambda _: None)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param({"style": "fancy"}, r"style='fancy'; expected one of 'plain', 'refactored'", id="no such style"),
        pytest.param(
            {"style": "refactored", "operators": ("gelu-by-tanh",)},
            r"style='refactored' with operators=\('gelu-by-tanh',\): the style is of bugs that are drawn",
            id="with bugs by name",
        ),
    ],
)
def test_a_recipe_that_cannot_be_met_says_why(asked: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Recipe(**asked)  # type: ignore[arg-type]
