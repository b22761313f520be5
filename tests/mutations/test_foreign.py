"""Operators find their sites by role: also in a GPT that shares neither names nor layout with the reference."""

import ast
import runpy
from collections import defaultdict
from difflib import SequenceMatcher
from importlib.util import find_spec
from pathlib import Path

import pytest

from mutations.catalogue import OPERATORS
from mutations.edit import splice

FEW_LINES = 6

SCRIPT = runpy.run_path(str(Path(__file__).with_name("foreign_sites.py")))
STYLES, found, line_of, listed, texts = (SCRIPT[name] for name in ("STYLES", "found", "line_of", "listed", "texts"))


def lines_from_first_to_last_change(before, after):
    changes = [
        opcode
        for opcode in SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False).get_opcodes()
        if opcode[0] != "equal"
    ]
    (_, before_start, _, after_start, _), (_, _, before_end, _, after_end) = changes[0], changes[-1]
    return max(before_end - before_start, after_end - after_start)


@pytest.fixture(scope="module", params=STYLES)
def style(request):
    package, _ = SCRIPT["PACKAGES"].get(request.param, ("", ""))
    if package and find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return request.param


@pytest.fixture(scope="module")
def here(style):
    """The sites in the files of a style."""
    return found(style)


def test_the_sites_are_those_that_were_read_and_found_right(style, here):
    files = texts(style)

    assert [line_of(site, files) for site in here] == listed(style), "read the new ones, then write the list again"


def test_no_site_is_found_twice(here):
    assert len({(site.operator.id, site.edit) for site in here}) == len(here)


def test_what_only_an_older_library_would_run_is_left_alone():
    text = texts("nano")["model.py"]
    dead = [line for line, code in enumerate(text.splitlines(), start=1) if "att" in code.split() or "n, n" in code]
    placed = {line.rpartition(":")[2] for line in listed("nano") if " model.py:" in line}

    assert dead
    assert placed.isdisjoint(map(str, dead))


def test_each_site_gives_another_program(style, here):
    files = texts(style)
    trees = {file: ast.dump(ast.parse(text)) for file, text in files.items()}
    same = [
        line_of(site, files)
        for site in here
        if ast.dump(ast.parse(splice(files[site.edit.file], [site.edit]))) == trees[site.edit.file]
    ]

    assert same == []


def test_each_site_differs_in_one_small_place(style, here):
    files = texts(style)
    lines = {
        line_of(site, files): lines_from_first_to_last_change(
            files[site.edit.file], splice(files[site.edit.file], [site.edit])
        )
        for site in here
    }

    assert {site: count for site, count in lines.items() if count > FEW_LINES} == {}


def test_sites_of_one_operator_are_counted_over_all_files(here):
    numbers = defaultdict(list)
    for site in here:
        numbers[site.operator.id].append(site.number)

    assert {id: found for id, found in numbers.items() if found != list(range(len(found)))} == {}


def test_an_operator_looks_into_every_file_whatever_it_is_called():
    """The loss in the file of the model, and attention in a file of its own."""
    placed = defaultdict(set)
    for style in ("nano", "assignment", "script"):
        for line in listed(style):
            placed[style].add(tuple(line.rpartition(":")[0].split()))

    assert ("labels-smoothed", "model.py") in placed["nano"]
    assert ("decay-groups-swapped", "model.py") in placed["nano"]
    assert ("scale-inverted", "layers.py") in placed["assignment"]
    assert ("clip-in-every-micro-step", "train_gpt2.py") in placed["script"]


def test_most_operators_are_at_home_in_some_style():
    at_home = {line.split()[0] for style in STYLES for line in listed(style)}

    assert len(at_home) >= 110, sorted({each.id for each in OPERATORS} - at_home)
