"""Edits are made where they fit, all at once, and refused where they do not."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutations.edit import Edit, splice
from mutations.errors import SpliceError


@given(
    pieces=st.lists(st.tuples(st.text(), st.text(min_size=1), st.text()), max_size=5), tail=st.text(), data=st.data()
)
def test_every_edit_is_made_and_nothing_else_changes(pieces, tail, data):
    text, expected, edits = "", "", []
    for kept, before, after in pieces:
        start = len((text + kept).encode())
        edits.append(Edit("model.py", start, start + len(before.encode()), before, after))
        text, expected = text + kept + before, expected + kept + after

    assert expected + tail == splice(text + tail, data.draw(st.permutations(edits)))


def test_spans_count_bytes_and_not_characters():
    assert splice("é = 1", [Edit("model.py", 5, 6, "1", "2")]) == "é = 2"


def test_an_insertion_fits_between_two_replacements():
    edits = [Edit("m", 0, 1, "a", "A"), Edit("m", 1, 1, "", "-"), Edit("m", 2, 3, "c", "C")]

    assert splice("abc", edits) == "A-bC"


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        pytest.param([Edit("m", 0, 1, "x", "y")], r"holds b'a', expected 'x'", id="other-text"),
        pytest.param([Edit("m", 2, 9, "c", "y")], r"span=\(2, 9\) of m holds None", id="beyond-the-end"),
        pytest.param([Edit("m", -1, 1, "", "y")], r"span=\(-1, 1\)", id="before-the-start"),
        pytest.param([Edit("m", 0, 2, "ab", ""), Edit("m", 1, 3, "bc", "")], "overlap", id="overlapping"),
        pytest.param([Edit("m", 0, 3, "abc", ""), Edit("m", 1, 2, "b", "")], "overlap", id="nested"),
        pytest.param([Edit("m", 1, 1, "", "x"), Edit("m", 1, 1, "", "y")], "overlap", id="insertions-at-one-place"),
        pytest.param([Edit("m", 0, 1, "a", "b"), Edit("n", 1, 2, "b", "c")], r"\['m', 'n'\]", id="two-files"),
    ],
)
def test_edits_that_do_not_fit_are_refused(edits, message):
    with pytest.raises(SpliceError, match=message):
        splice("abc", edits)


def test_a_text_that_is_long_is_not_told_whole():
    with pytest.raises(SpliceError) as told:
        splice("a" * 1000, [Edit("m", 0, 1000, "x" * 1000, "y")])

    assert len(str(told.value)) < 300


def test_an_edit_survives_the_way_through_a_key():
    edit = Edit("model.py", 3, 4, "1", "2")

    assert edit == Edit.from_dict({"item": "masking", **edit.to_dict()})


def test_splicing_imports_no_parser():
    script = "import sys, mutations.edit; print(sorted({'ast', 'libcst', 'torch'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert "libcst" not in found.stdout
    assert "torch" not in found.stdout
