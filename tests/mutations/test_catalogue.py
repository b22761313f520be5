"""Every rule of the catalogue holds for every operator in it."""

import ast
import re

import pytest

from mutations.catalogue import OPERATORS, operator
from mutations.edit import splice
from mutations.errors import UnknownOperatorError

HEADINGS = ["What it does", "Why it is wrong", "Symptom", "How to find it"]

each_operator = pytest.mark.parametrize("planted", OPERATORS, ids=lambda planted: planted.id)


@pytest.mark.parametrize(
    ("planted", "example"),
    [
        pytest.param(planted, example, id=f"{planted.id}-{number}")
        for planted in OPERATORS
        for number, example in enumerate(planted.examples)
    ],
)
def test_each_example_has_one_site_and_becomes_what_it_should(planted, example):
    edits = planted.find(example.before)

    assert [planted.file] == [edit.file for edit in edits]
    assert example.after == splice(example.before, edits)
    assert ast.dump(ast.parse(example.before)) != ast.dump(ast.parse(example.after))


@pytest.mark.parametrize(
    ("planted", "text"),
    [
        pytest.param(planted, text, id=f"{planted.id}-{number}")
        for planted in OPERATORS
        for number, text in enumerate(planted.look_alikes)
    ],
)
def test_look_alikes_are_left_alone(planted, text):
    ast.parse(text)

    assert planted.find(text) == []


@each_operator
def test_ids_name_the_module(planted):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", planted.id)
    package = planted.category.replace("-", "_")
    assert planted.edits.__module__ == f"mutations.operators.{package}.{planted.id.replace('-', '_')}"


def test_ids_are_unique():
    assert len(OPERATORS) == len({planted.id for planted in OPERATORS})


@each_operator
def test_the_story_has_its_sentence_and_its_headings(planted):
    assert re.match(r"[A-Z][^\n]+\.\n\n## ", planted.story)
    assert re.findall(r"^## (.+)$", planted.story, flags=re.MULTILINE) == HEADINGS


@each_operator
def test_the_origin_is_a_public_thread(planted):
    assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+", planted.origin)


@each_operator
def test_hints_are_sentences_that_never_quote_the_fix(planted):
    assert len(planted.hints) == 3
    for hint in planted.hints:
        assert re.fullmatch(r"[A-Z][^`=_()\[\]]+[.?]", hint), "prose only, no code"
        for example in planted.examples:
            before, after = (set(re.findall(r"\w+", re.sub("#.*", "", text))) for text in example)
            for word in before ^ after:
                assert not re.search(rf"\b{word}\b", hint, flags=re.IGNORECASE), word


def test_an_operator_is_found_by_its_id():
    assert all(operator(planted.id) is planted for planted in OPERATORS)


@pytest.mark.parametrize(
    ("operator_id", "message"),
    [
        pytest.param("mask-peek-one-ahead", "did you mean 'mask-peeks-one-ahead'", id="near"),
        pytest.param("zzz", r"expected one of the \d+ that `grader mutations` lists", id="far"),
    ],
)
def test_an_unknown_id_is_told_what_there_is(operator_id, message):
    with pytest.raises(UnknownOperatorError, match=message):
        operator(operator_id)
