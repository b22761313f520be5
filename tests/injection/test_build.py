"""Exercises as they are built: always the same, graded as they should be, and telling nothing of what was planted."""

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grader.errors import CannotJudge, UsageError
from grader.exercise.key import Row
from grader.exercise.model import Exercise, StoredExercise, read_exercise
from grader.grading.answer_cache import Keep
from grader.grading.options import Options
from grader.grading.session import Session
from grader.injection.build import build
from grader.injection.builtin import BUGS as BUILT_IN
from grader.injection.choose import planted
from grader.injection.folder import write
from grader.injection.observe import Failing
from grader.injection.recipe import Recipe
from grader.result.record import Outcome, Result, Status
from grader.sandbox.client import Launcher
from grader.submission.read import read_submission, submission_of
from mutations.catalogue import OPERATORS

pytestmark = pytest.mark.slow  # an exercise takes some ten seconds

SEEDS = range(5)
FOUR = tuple(name for _, name in BUILT_IN)
ERRORS = ("length-checked-without-the-cache", "smaller-cache-let-through")
KEPT = ("cache-changed-in-place", "label-of-the-next-token")


def silent(_: str) -> None:
    """It shows nothing."""


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def graded(files: dict[str, str], exercise: Exercise, launcher: Launcher, *only: str) -> Result:
    options = Options(only=only, seed=5, explain=False)
    return Session(exercise, launcher, Keep.NOTHING).grade(submission_of("candidate", files), options)


def bugs_of(exercise: Exercise) -> tuple[str, ...]:
    return tuple(item.id for item in exercise.rubric.item if item.kind == "bug")


# The same every time


def test_a_recipe_gives_the_same_bytes_twice(
    generated: Callable[..., Path], launcher: Launcher, exercise: Exercise, tmp_path: Path
) -> None:
    """With bugs that are named; of a seed the command's own test holds it, from another process."""
    write(build(Recipe(operators=FOUR), exercise.reference, launcher, silent), tmp_path / "again")

    assert everything(tmp_path / "again") == everything(generated(operators=FOUR))


def test_other_seeds_are_other_exercises(generated: Callable[..., Path]) -> None:
    starters = [everything(generated(seed=seed, bugs=3) / "starter") for seed in SEEDS]

    for name in ("model.py", "train.py"):
        assert len({starter[name] for starter in starters}) > 1
    assert len({tuple(starter.values()) for starter in starters}) == len(starters)
    made = [read_exercise(generated(seed=seed, bugs=3)) for seed in SEEDS]
    assert len({each.rubric.id for each in made}) == len(starters)
    assert len({each.key.certificate.seeds for each in made if each.key.certificate is not None}) == len(starters)


def test_the_built_in_bugs_make_the_built_in_starter(generated: Callable[..., Path], exercise: StoredExercise) -> None:
    folder = generated(operators=FOUR)
    made = read_exercise(folder)

    for name in ("model.py", "train.py", "test_visible.py"):
        assert (folder / "starter" / name).read_bytes() == (exercise.starter_directory / name).read_bytes()
    assert made.reference == exercise.reference
    assert {bug.operator for bug in made.key.bugs} == {bug.operator for bug in exercise.key.bugs}
    assert made.key.stubs == exercise.key.stubs
    assert [item.points for item in made.rubric.item] == [item.points for item in exercise.rubric.item]


# Graded as they should be


@pytest.mark.parametrize("seed", [0, 1])
def test_the_starter_has_nothing_and_the_reference_everything(
    seed: int, generated: Callable[..., Path], launcher: Launcher
) -> None:
    folder = generated(seed=seed, bugs=3)
    made = read_exercise(folder)
    starter = graded(read_submission(folder / "starter").files, made, launcher)
    reference = graded(read_submission(folder / "reference").files, made, launcher)

    assert (starter.score, starter.max_score) == (0, 100)
    assert starter.remaining_bugs == bugs_of(made)
    assert {item.status for item in starter.items} == {Status.NOT_FIXED, Status.NOT_BUILT}
    assert (reference.score, reference.full_marks) == (100, True)
    assert reference.remaining_bugs == ()


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_bug_left_in_costs_its_item_and_no_other(
    left: int, generated: Callable[..., Path], launcher: Launcher
) -> None:
    made = read_exercise(generated(seed=3, bugs=3))
    bugs = bugs_of(made)
    result = graded(made.variant(frozenset({bugs[left]})), made, launcher)

    assert result.remaining_bugs == (bugs[left],)
    assert {item.id for item in result.items if item.score < item.max_score} == {bugs[left]}
    assert result.score == 100 - made.items[bugs[left]].points


@pytest.mark.parametrize("left", [0, 1, 2])
def test_what_cannot_be_told_beside_a_bug_waits_for_that_bug_alone(
    left: int, generated: Callable[..., Path], launcher: Launcher
) -> None:
    made = read_exercise(generated(seed=1, bugs=3))  # one of its bugs is in the loss, which an extension builds on
    bugs = bugs_of(made)
    result = graded(made.variant(frozenset({bugs[left]})), made, launcher)

    assert result.remaining_bugs == (bugs[left],)
    costs = {item.id: item for item in result.items if item.score < item.max_score}
    assert costs.pop(bugs[left]).score == 0
    assert costs.keys() <= {item.id for item in made.rubric.item if item.kind == "extension"}
    lost = [check for item in costs.values() for check in item.checks if check.outcome is not Outcome.PASSED]
    assert {(check.outcome, check.blocked_by) for check in lost} <= {(Outcome.BLOCKED, (bugs[left],))}


@pytest.mark.parametrize("seed", SEEDS)
def test_who_has_built_nothing_has_full_marks_for_the_bugs(
    seed: int, generated: Callable[..., Path], launcher: Launcher
) -> None:
    """No guard, and no check that earns, asks for what is yet to be built."""
    made = read_exercise(generated(seed=seed, bugs=3))
    unbuilt = planted(made.reference, [stub.edit for stub in made.key.stubs])
    result = graded(unbuilt, made, launcher, *bugs_of(made))

    assert {item.id: item.status for item in result.items} == dict.fromkeys(bugs_of(made), Status.FIXED)
    assert result.score == result.max_score


def test_with_extensions_kept_bugs_are_planted_in_them_and_nothing_is_to_build(
    generated: Callable[..., Path], launcher: Launcher
) -> None:
    folder = generated(operators=KEPT, keep_extensions=True)
    made = read_exercise(folder)
    bugs = bugs_of(made)

    assert {bug.category for bug in made.key.bugs} == {"kv-cache", "classifier"}
    assert made.key.stubs == ()
    assert [item.points for item in made.rubric.item] == [50, 50]
    assert "NotImplementedError" not in (folder / "starter" / "model.py").read_text()
    assert "are built already" in (folder / "starter" / "README.md").read_text()
    assert graded(made.reference, made, launcher).score == 100
    assert graded(read_submission(folder / "starter").files, made, launcher).score == 0
    for left in bugs:
        result = graded(made.variant(frozenset({left})), made, launcher)
        assert (result.score, result.remaining_bugs) == (50, (left,))


def test_bugs_that_only_change_an_error_are_told_from_each_other(generated: Callable[..., Path]) -> None:
    made = read_exercise(generated(operators=ERRORS, keep_extensions=True))
    proof = made.key.certificate

    assert proof is not None
    assert all("cache-limits" in bug.killed_by for bug in made.key.bugs)
    assert [bug.difficulty.features["shared_symptoms"] for bug in made.key.bugs if bug.difficulty] == [1, 1]
    assert {row.left: row.remaining for row in proof.rows} == {row.left: row.left for row in proof.rows}


def test_the_key_has_the_proof_of_every_subset(generated: Callable[..., Path]) -> None:
    made = read_exercise(generated(seed=0, bugs=3))
    proof = made.key.certificate

    assert proof is not None
    assert len(proof.rows) == len({row.left for row in proof.rows}) == 8
    assert len(set(proof.seeds)) == 4  # its own, and those of the measurements
    for row in proof.rows:
        assert {item for item, status in row.statuses.items() if status == "not-fixed"} == set(row.left)
        assert {item for item, score in row.scores.items() if score == 0} == set(row.left)
    for bug in made.key.bugs:
        assert bug.killed_by
        assert set(made.items[bug.item].earns) <= set(bug.killed_by)
        assert bug.difficulty is not None
        assert bug.effect is not None
        assert bug.effect >= 1e-5


def test_the_difficulty_asked_for_is_that_of_each_bug(launcher: Launcher, exercise: Exercise) -> None:
    built = build(Recipe(bugs=1, seed=1, difficulty="easy"), exercise.reference, launcher, silent)
    (bug,) = built.exercise.key.bugs

    assert bug.difficulty is not None
    assert bug.difficulty.bucket == "easy"
    assert all(reason for _, reason in built.rejected)


def test_a_bug_that_is_graded_wrongly_beside_the_others_is_replaced(
    launcher: Launcher, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Exercise] = []

    def wrong_at_first(made: Exercise, *_: object) -> Iterator[Row]:
        tried.append(made)
        statuses = {"bug-1": "fixed", "bug-2": "partly"} if len(tried) == 1 else {}
        yield Row(left=(), statuses=statuses, remaining=None, scores=dict.fromkeys(statuses, 30.0))
        assert len(tried) == 2, "a set of bugs that is known to be unsound is graded on"

    monkeypatch.setattr("grader.injection.build.prove", wrong_at_first)
    built = build(Recipe(bugs=2, seed=1), exercise.reference, launcher, silent)

    assert len(tried) == 2
    first, second = ([bug.edit for bug in made.key.bugs] for made in tried)
    mutant, reason = next((each, why) for each, why in built.rejected if each.edit == first[1])
    assert reason == "with no bug left in: partly instead of fixed"
    assert mutant.edit not in second
    assert first[0] in second
    assert [bug.edit for bug in built.exercise.key.bugs] == second


# Refused


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"operators": ("mask-fliped",)}, "unknown; did you mean 'mask-flipped'"),
        ({"operators": ("cache-changed-in-place",)}, "finds no site in this reference; it needs the cache"),
    ],
    ids=["unknown", "no-site"],
)
def test_what_cannot_be_planted_is_refused(
    recipe: dict[str, tuple[str, ...]], words: str, launcher: Launcher, exercise: Exercise
) -> None:
    with pytest.raises(UsageError, match=words):
        build(Recipe(operators=recipe["operators"]), exercise.reference, launcher, silent)


def test_that_our_own_reference_fails_is_said_of_the_machine(
    launcher: Launcher, exercise: Exercise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.injection.workshop.failing_checks", lambda *_: Failing(("future-is-hidden",), ()))

    with pytest.raises(CannotJudge, match="the built-in reference fails future-is-hidden on this machine"):
        build(Recipe(bugs=1), exercise.reference, launcher, lambda _: None)


def test_a_reference_that_is_wrong_is_refused_with_what_it_fails(launcher: Launcher, exercise: Exercise) -> None:
    wrong = exercise.variant(frozenset({"position"}))

    with pytest.raises(UsageError, match=r"not right itself: it fails .*same-token-other-position"):
        build(Recipe(), wrong, launcher, silent)


# Nothing betrays an edit


@pytest.fixture(params=[*({"seed": seed, "bugs": 3} for seed in SEEDS), {"operators": KEPT, "keep_extensions": True}],
                ids=lambda recipe: "-".join(map(str, recipe.values())))  # fmt: skip
def starter(request: pytest.FixtureRequest, generated: Callable[..., Path]) -> Path:
    return generated(**request.param) / "starter"


def names_used(tree: ast.AST) -> Counter[str]:
    """How often each name, attribute, keyword and argument occurs."""
    used: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used[node.id] += 1
        elif isinstance(node, ast.Attribute):
            used[node.attr] += 1
        elif isinstance(node, ast.keyword) and node.arg:
            used[node.arg] += 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            used[node.value] += 1  # an annotation as text
    return used


def unused(texts: dict[str, str]) -> set[str]:
    """Names that a package makes and never uses: imports, locals, parameters, functions, methods and classes."""
    trees = {name: ast.parse(text) for name, text in texts.items()}
    everywhere = sum((names_used(tree) for tree in trees.values()), Counter())
    found = set()
    for file, tree in trees.items():
        here = names_used(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
                found |= {f"{file}: import {name}" for name in names if not here[name]}
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                if not everywhere[node.name] and not node.name.startswith("__"):
                    found.add(f"{file}: {node.name}")
                if isinstance(node, ast.FunctionDef):
                    inside = names_used(node)
                    made = {
                        inner.id for inner in ast.walk(node)
                        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
                    } | {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}  # fmt: skip
                    found |= {f"{file}: {node.name}: {name}" for name in made if not inside[name] and name != "_"}
    return found


def stub_functions(texts: dict[str, str]) -> set[str]:
    """Functions that are the learner's to build: they use nothing yet."""
    return {
        node.name
        for text in texts.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and "NotImplementedError" in ast.unparse(node)
    }


def texts_of(folder: Path) -> dict[str, str]:
    return {name: (folder / name).read_text("utf-8") for name in ("model.py", "train.py")}


def test_no_name_is_left_that_nothing_uses(starter: Path, exercise: StoredExercise) -> None:
    texts = texts_of(starter)
    stubs = stub_functions(texts)
    before = unused(dict(exercise.reference)) | unused(texts_of(exercise.starter_directory))

    new = {name for name in unused(texts) - before if name.split(": ")[1] not in stubs}

    assert new == set()


def test_the_scan_for_names_finds_what_it_should() -> None:
    text = (
        "import os\nimport re\n\ndef f(a, b):\n    c = a\n    d = c\n    return re\n\nf(1, 2)\n\ndef g():\n    pass\n"
    )

    assert unused({"model.py": text}) == {"model.py: import os", "model.py: f: b", "model.py: f: d", "model.py: g"}


def test_no_blank_lines_are_doubled_and_no_space_is_left(starter: Path) -> None:
    for name, text in texts_of(starter).items():
        assert "\n\n\n\n" not in text, name
        assert re.search(r"\n\n\n[ \t]", text) is None, name  # two blank lines stand between definitions alone
        assert re.search(r":\n\n[ \t]", text) is None, name
        assert re.search(r"[ \t]\n", text) is None, name
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name


def test_ruff_finds_no_more_than_in_the_reference(starter: Path) -> None:
    def complaints(folder: Path) -> list[str]:
        command = [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--no-cache",
            "--isolated",
            "--select",
            "F,E7",
            "--output-format",
            "json",
        ]
        done = subprocess.run([*command, "model.py", "train.py"], cwd=folder, capture_output=True, text=True)
        return [f"{found['code']} {found['message']}" for found in json.loads(done.stdout)]

    assert complaints(starter.parent / "reference") == []
    assert complaints(starter) == []


def test_no_text_names_what_was_planted(starter: Path) -> None:
    text = "\n".join(path.read_text("utf-8") for path in starter.iterdir())

    assert sorted(path.name for path in starter.iterdir()) == [
        "README.md", "followups.py", "model.py", "test_visible.py", "train.py",
    ]  # fmt: skip
    for planted_bug in OPERATORS:
        assert planted_bug.id not in text
        assert planted_bug.id.replace("-", "_") not in text
    assert re.search(r"\b(mutat|mutant|inject|planted|bug-\d)", text) is None
