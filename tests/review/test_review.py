"""After it is over: each bug with its place and its story, what a good answer says; nothing for a workspace."""

import re
from argparse import Namespace
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from grader.cli import review, start
from grader.cli.main import parser
from grader.errors import UsageError
from grader.exercise.model import StoredExercise, read_exercise
from grader.result.record import ExerciseInfo, Result, Status
from grader.review.lessons import lessons, read_answers
from grader.review.render import render_review, render_review_page


@pytest.fixture
def told(exercise: StoredExercise) -> str:
    return render_review(lessons(exercise))


def test_each_bug_has_its_line_in_the_starter_its_function_and_what_was_changed(exercise: StoredExercise) -> None:
    starter = {name: text.splitlines() for name, text in exercise.starter().items()}
    found = {bug.id: bug for bug in lessons(exercise).bugs}

    assert {id_: (bug.file, bug.function) for id_, bug in found.items()} == {
        "masking": ("model.py", "causal_mask"),
        "position": ("model.py", "GPT.embed"),
        "projection": ("model.py", "GPT.__init__"),
        "training-step": ("train.py", "train_step"),
    }
    for bug in exercise.key.bugs:
        lesson = found[bug.item]
        removed = [line[1:] for line in lesson.diff.splitlines() if line.startswith("-")]
        added = "\n".join(line[1:] for line in lesson.diff.splitlines() if line.startswith("+"))
        assert bug.before.strip() in added
        assert removed in ([], [starter[lesson.file][lesson.line - 1]])  # a line that was taken out is not there


def test_each_bug_is_told_with_why_how_it_shows_and_how_it_is_found(exercise: StoredExercise) -> None:
    for bug in lessons(exercise).bugs:
        assert bug.what.endswith(".")
        assert [part.heading for part in bug.story] == [
            "What it does",
            "Why it is wrong",
            "Symptom",
            "How to find it",
        ]
        assert all(part.paragraphs for part in bug.story)
        assert bug.seen_by


def test_all_that_can_be_built_has_an_answer_and_no_answer_is_of_anything_else(exercise: StoredExercise) -> None:
    told = lessons(exercise)
    answers = (*told.extensions, *told.followups)
    built = {item.id for item in (*exercise.rubric.item, *exercise.rubric.followup) if item.kind != "bug"}

    assert {answer.id for answer in answers} == built
    assert [answer.id for answer in answers if len(answer.paragraphs) < 3] == []
    assert set(read_answers(exercise.reference_directory)) == built


def test_the_text_fits_but_for_code_and_has_every_title(told: str, exercise: StoredExercise) -> None:
    prose = [line for line in told.splitlines() if not line.startswith("    ")]

    assert [line for line in prose if len(line) > 80] == []
    assert [title for title in exercise.titles.values() if f"\n{title}\n" not in told] == []
    assert "How it shows\n" in told
    assert "fixed" not in told.partition("\n")[0]


def test_a_result_says_how_somebody_fared(exercise: StoredExercise, samples_result: Result) -> None:
    fared = replace(
        samples_result,
        exercise=ExerciseInfo(id=exercise.rubric.id, title="x"),
        items=tuple(
            replace(item, id=id_, status=status)
            for item, id_, status in zip(
                samples_result.items[:2], ("masking", "position"), (Status.FIXED, Status.NOT_FIXED), strict=True
            )
        ),
    )
    text = render_review(lessons(exercise, fared))

    assert "\nAttention masking (fixed)\n" in text
    assert "\nPositional addition (not fixed)\n" in text
    assert "\nOutput projection\n" in text


def test_a_result_of_another_exercise_is_refused(exercise: StoredExercise, samples_result: Result) -> None:
    other = replace(samples_result, exercise=ExerciseInfo(id="ex7", title="x"))

    with pytest.raises(UsageError, match=r"a result of the exercise 'ex7', not of 'gpt-four-bugs'"):
        lessons(exercise, other)


@pytest.fixture
def samples_result() -> Result:
    """Two items, and who wrote the code in markup."""
    from msgspec import convert

    item = {"id": "a", "title": "A", "status": "fixed", "score": 1, "max_score": 1, "lane": "bitwise", "summary": ""}
    return convert(
        {
            "exercise": {"id": "x", "title": "x"},
            "candidate": {"name": "<script>alert(1)</script>\x1b[31m", "sha256": ""},
            "score": 0,
            "max_score": 2,
            "items": [item | {"checks": []}, item | {"id": "b", "checks": []}],
            "remaining_bugs": None,
            "environment": {
                **dict.fromkeys(("grader", "torch", "python", "platform", "cpu"), ""),
                "threads": 1,
                "packages": {},
                "seed": 1,
                "isolation": {"mode": "strict", "layers": [], "missing": []},
            },
            "asked": {"only": [], "thorough": False, "timeout": 10.0},
            "integrity": {"exercise": "", "grader": "", "environment": ""},
            "seconds": 1.0,
        },
        Result,
    )


class Tags(HTMLParser):
    """What opens and closes, and all ids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.headings += [tag] if re.fullmatch("h[1-6]", tag) else []
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_runs_nothing_and_shows_no_ones_markup(
    exercise: StoredExercise, samples_result: Result
) -> None:
    named = replace(samples_result, exercise=ExerciseInfo(id=exercise.rubric.id, title="x"))
    page = render_review_page(lessons(exercise, named))
    tags = Tags(page)

    assert tags.open == []
    assert not {"script", "img", "link", "iframe"} & tags.seen
    assert len(set(tags.ids)) == len(tags.ids)
    assert tags.headings[:3] == ["h1", "h2", "h3"]
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "<code>torch.where</code>" in page
    assert {"#" + id_ for id_ in exercise.titles} <= {"#" + id_ for id_ in tags.ids}


def test_a_workspace_is_refused_whatever_exercise_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start.run(Namespace(directory=tmp_path / "mine", exercise=None, minutes=None, feedback=None))
    capsys.readouterr()

    with pytest.raises(UsageError, match=r"is somebody's code, and a review shows the solution; expected the exercise"):
        review.run(Namespace(exercise=tmp_path / "mine", result=None, html=None))
    assert capsys.readouterr().out == ""


def test_without_an_exercise_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["review"])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("what", ["absent", "result", "output"])
def test_what_cannot_be_read_or_written_is_told(what: str, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    arguments: dict[str, dict[str, Path | None]] = {
        "absent": {"result": None, "html": None},
        "result": {"result": tmp_path / "bad.json", "html": None},
        "output": {"result": None, "html": tmp_path / "no" / "where.html"},
    }
    messages = {"absent": "no such exercise", "result": "is not a result", "output": "cannot write"}
    exercise = tmp_path / "absent" if what == "absent" else Path("built-in")

    with pytest.raises(UsageError, match=messages[what]):
        review.run(Namespace(exercise=exercise, **arguments[what]))


def test_an_exercise_of_other_bugs_has_their_stories_and_the_answers_of_its_extensions(
    generated: Callable[..., Path],
) -> None:
    """An exercise that is built, since places and stories come from what was planted."""
    exercise = read_exercise(generated(seed=3, bugs=2))
    told = lessons(exercise)

    assert [bug.id for bug in told.bugs] == ["bug-1", "bug-2"]
    assert all(bug.story and bug.diff and bug.line > 0 for bug in told.bugs)
    assert [len(answer.paragraphs) > 2 for answer in told.extensions] == [True, True]
    assert told.followups == ()
    assert "Bug 1\n" in render_review(told)
