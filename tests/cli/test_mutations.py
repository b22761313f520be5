"""``grader mutations``: what it lists, what it tells of one operator, and what it keeps to itself."""

import json
import subprocess
import sys

import pytest

from grader.cli.main import parser
from grader.errors import UsageError
from mutations.catalogue import EVERY
from mutations.operator import Category

KEYS = {"id", "category", "file", "needs", "visibility", "origin", "title"}
HEADINGS = ["What it does", "Why it is wrong", "Symptom", "How to find it"]


@pytest.fixture
def mutations(capsys, monkeypatch):
    """What the command writes to standard output, which is no terminal."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments):
        options = parser().parse_args(["mutations", *arguments])
        assert options.run(options) == 0
        return capsys.readouterr().out

    return run


def words(text):
    return " ".join(text.split())


def test_help_loads_neither_torch_nor_the_catalogue():
    source = """
import sys
from grader.cli.main import main
try:
    main(["mutations", "--help"])
except SystemExit as stop:
    print(sorted({"torch", "libcst", "mutations"} & sys.modules.keys()), stop.code, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)

    assert done.stderr == "[] 0\n"
    assert "OPERATOR" in done.stdout


def test_the_table_has_every_operator_under_its_category(mutations):
    lines = mutations().splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")]

    categories = [category for category in Category if any(each.category is category for each in EVERY)]
    assert headings == [*categories, "with a refactoring"]
    assert [line.split(maxsplit=1) for line in lines if line.startswith(" ")] == [
        [planted.id, planted.title] for planted in EVERY
    ]


@pytest.mark.parametrize("columns", [80, 120, 400])
def test_on_a_terminal_whole_sentences_are_shown_in_its_width(columns, mutations, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = mutations()
    beside = f"  {EVERY[0].id}  " in shown

    assert all(f"{planted.id} {planted.title}" in words(shown) for planted in EVERY)
    assert max(map(len, shown.splitlines())) <= columns
    assert beside == (columns > 80)


def test_on_the_narrowest_terminal_sentences_are_still_shown(mutations, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1")

    assert all(f"{planted.id} {planted.title}" in words(mutations()) for planted in EVERY[:3])


def test_the_catalogue_as_json_has_no_stories_and_no_hints(mutations):
    entries = json.loads(mutations("--json"))

    assert [entry["id"] for entry in entries] == [planted.id for planted in EVERY]
    assert all(entry.keys() == KEYS for entry in entries)
    assert all(entry["needs"] == sorted(entry["needs"]) for entry in entries)


def test_an_operator_is_told_with_its_story_its_origin_and_an_example(mutations):
    told = {planted.id: mutations(planted.id) for planted in EVERY}
    headings = {id: [line for line in text.splitlines() if line in HEADINGS] for id, text in told.items()}

    assert [each.id for each in EVERY if each.title not in words(told[each.id])] == []
    assert {id: found for id, found in headings.items() if found != HEADINGS} == {}
    assert [id for id, text in told.items() if "##" in text] == []
    assert [each.id for each in EVERY if each.origin not in told[each.id]] == []


def test_the_example_of_an_operator_is_told_as_a_diff(mutations):
    diffs = {planted.id: mutations(planted.id).partition("\nExample\n")[2] for planted in EVERY}
    before = {id: [line[1:] for line in diff.splitlines()[3:] if line[0] in " -"] for id, diff in diffs.items()}

    assert {each.id: diffs[each.id] for each in EVERY if diffs[each.id] != each.diff()} == {}
    assert [each.id for each in EVERY if before[each.id] != each.examples[0].before.splitlines()] == []


def test_hints_are_shown_to_those_who_ask(mutations):
    without = {planted.id: mutations(planted.id) for planted in EVERY}
    asked = {planted.id: mutations(planted.id, "--hints") for planted in EVERY}

    assert [id for id in asked if not asked[id].startswith(without[id])] == []
    assert [(each.id, hint) for each in EVERY for hint in each.hints if hint in words(without[each.id])] == []
    assert [(each.id, hint) for each in EVERY for hint in each.hints if hint not in words(asked[each.id])] == []


def test_an_operator_as_json_has_its_story_and_its_hints_only_when_asked(mutations):
    planted = next(planted for planted in EVERY if planted.needs)
    plain, asked = (json.loads(mutations(planted.id, "--json", *more)) for more in ([], ["--hints"]))

    assert plain.keys() == KEYS | {"story", "example"}
    assert asked == {**plain, "hints": planted.hints._asdict()}
    assert plain["story"] == planted.story
    assert plain["needs"] == sorted(planted.needs)


def test_an_unknown_operator_is_a_usage_error_that_says_what_may_have_been_meant():
    command = [sys.executable, "-m", "grader", "mutations", "mask-fliped"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "grader: operator='mask-fliped' is unknown; did you mean 'mask-flipped'?\n"


def test_hints_without_an_operator_are_refused(mutations):
    with pytest.raises(UsageError, match="--hints without an OPERATOR"):
        mutations("--hints")


@pytest.mark.parametrize("more", [["--seed", "0"], ["--first"], ["--html", "x"], ["--from", "x"]], ids=lambda m: m[0])
def test_what_is_about_the_matrix_is_refused_without_it(more, mutations):
    with pytest.raises(UsageError, match=f"^{more[0]} without --matrix .*; add --matrix"):
        mutations(*more)
