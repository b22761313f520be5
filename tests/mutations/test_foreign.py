"""Operators find their sites by role: also in a GPT that shares neither names nor layout with the reference."""

import ast
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from mutations.catalogue import OPERATORS
from mutations.edit import splice
from mutations.source import Source

FOREIGN = Path(__file__).parent / "foreign"
TEXTS = {file: (FOREIGN / file).read_text(encoding="utf-8") for file in ("model.py", "train.py")}
FEW_LINES = 6


def lines_from_first_to_last_change(before, after):
    changes = [
        opcode
        for opcode in SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False).get_opcodes()
        if opcode[0] != "equal"
    ]
    (_, before_start, _, after_start, _), (_, _, before_end, _, after_end) = changes[0], changes[-1]
    return max(before_end - before_start, after_end - after_start)


@pytest.fixture(scope="module")
def planted():
    """By operator, the text before, and the texts that its sites give."""
    sources = {file: Source(file, text) for file, text in TEXTS.items()}
    return {
        each.id: (TEXTS[each.file], [splice(TEXTS[each.file], [edit]) for edit in each.edits(sources[each.file])])
        for each in OPERATORS
    }


def test_each_site_gives_another_program(planted):
    trees = {text: ast.dump(ast.parse(text)) for text in TEXTS.values()}
    made = [(id, before, text) for id, (before, after) in planted.items() for text in after]
    same = [id for id, before, text in made if ast.dump(ast.parse(text, filename=id)) == trees[before]]

    assert same == []


def test_each_site_differs_in_one_small_place(planted):
    lines = {
        (id, site): lines_from_first_to_last_change(before, text)
        for id, (before, after) in planted.items()
        for site, text in enumerate(after)
    }

    assert {site: count for site, count in lines.items() if count > FEW_LINES} == {}


def test_many_operators_have_a_site_in_a_source_that_they_were_not_written_for(planted):
    at_home = [id for id, (_, after) in planted.items() if after]

    assert len(at_home) >= 10, at_home
