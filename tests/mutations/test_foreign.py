"""Operators find their sites by role: also in a GPT that shares neither names nor layout with the reference."""

import ast
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from mutations.catalogue import OPERATORS
from mutations.edit import splice

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


@pytest.mark.parametrize("planted", OPERATORS, ids=lambda planted: planted.id)
def test_each_site_gives_another_program_that_differs_in_one_small_place(planted):
    before = TEXTS[planted.file]
    for edit in planted.find(before):
        after = splice(before, [edit])

        assert ast.dump(ast.parse(before)) != ast.dump(ast.parse(after))
        assert lines_from_first_to_last_change(before, after) <= FEW_LINES


def test_many_operators_have_a_site_in_a_source_that_they_were_not_written_for():
    at_home = [planted.id for planted in OPERATORS if planted.find(TEXTS[planted.file])]

    assert len(at_home) >= 10, at_home
