"""Every rule of the catalogue holds for every operator in it."""

import ast
import re

import pytest

from mutations.catalogue import OPERATORS, operator
from mutations.edit import splice
from mutations.errors import UnknownOperatorError

HEADINGS = ["What it does", "Why it is wrong", "Symptom", "How to find it"]


EXAMPLES = {f"{each.id}-{number}": (each, text) for each in OPERATORS for number, text in enumerate(each.examples)}
LOOK_ALIKES = {
    f"{each.id}-{number}": (each, text) for each in OPERATORS for number, text in enumerate(each.look_alikes)
}


@pytest.fixture(scope="module")
def sites():
    """The edits that each example gets."""
    return {name: found(name, planted, example.before) for name, (planted, example) in EXAMPLES.items()}


def found(name, planted, text):
    """The operator's edits of a text; what it stumbles over says which text that is."""
    try:
        return planted.find(text)
    except Exception as error:
        error.add_note(f"in {name}")
        raise


def program(name, text):
    """What a text means, without its layout and its comments."""
    return ast.dump(ast.parse(text, filename=name))


def test_each_example_has_one_site_in_the_operators_file(sites):
    files = {name: [edit.file for edit in edits] for name, edits in sites.items()}

    assert {name: files[name] for name, (planted, _) in EXAMPLES.items() if files[name] != [planted.file]} == {}


def test_each_example_becomes_what_it_should(sites):
    became = {name: splice(example.before, sites[name]) for name, (_, example) in EXAMPLES.items()}
    expected = {name: example.after for name, (_, example) in EXAMPLES.items()}

    assert {name: (text, expected[name]) for name, text in became.items() if text != expected[name]} == {}


def test_each_example_becomes_another_program():
    texts = {name: example for name, (_, example) in EXAMPLES.items()}

    assert [name for name, (before, after) in texts.items() if program(name, before) == program(name, after)] == []


def test_look_alikes_are_programs_and_left_alone():
    assert [name for name, (_, text) in LOOK_ALIKES.items() if not program(name, text)] == []
    edits = {name: found(name, planted, text) for name, (planted, text) in LOOK_ALIKES.items()}
    assert {name: edits[name] for name in edits if edits[name]} == {}


def test_ids_name_the_module():
    named = {each.id: f"mutations.operators.{each.category}.{each.id}".replace("-", "_") for each in OPERATORS}

    assert [id for id in named if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", id)] == []
    assert {each.id: each.edits.__module__ for each in OPERATORS if each.edits.__module__ != named[each.id]} == {}


def test_ids_are_unique():
    assert len(OPERATORS) == len({planted.id for planted in OPERATORS})


def test_the_story_has_its_sentence_and_its_headings():
    assert [each.id for each in OPERATORS if not re.match(r"[A-Z][^\n]+\.\n\n## ", each.story)] == []
    headings = {each.id: re.findall(r"^## (.+)$", each.story, flags=re.MULTILINE) for each in OPERATORS}
    assert {id: found for id, found in headings.items() if found != HEADINGS} == {}


def test_the_origin_is_a_public_thread():
    thread = r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull)/\d+"

    assert {each.id: each.origin for each in OPERATORS if not re.fullmatch(thread, each.origin)} == {}


def test_hints_are_sentences_in_prose():
    strange = [
        (each.id, hint)
        for each in OPERATORS
        for hint in each.hints
        if not re.fullmatch(r"[A-Z][^`=_()\[\]]+[.?]", hint)
    ]

    assert [each.id for each in OPERATORS if len(each.hints) != 3] == []
    assert strange == []


def test_hints_never_quote_the_fix():
    quoted = [
        (planted.id, word)
        for planted in OPERATORS
        for word in sorted(set().union(*map(words_changed, planted.examples)))
        if re.search(rf"\b{word}\b", "\n".join(planted.hints), flags=re.IGNORECASE)
    ]

    assert quoted == []


def words_changed(example):
    """The words that stand in one of the two texts alone, comments aside."""
    before, after = (set(re.findall(r"\w+", re.sub("#.*", "", text))) for text in example)
    return before ^ after


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
