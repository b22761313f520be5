"""Which submissions are pointed out as nearly the same: copies, renamed too, and never for what all were handed."""

import keyword
import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
from rapidfuzz.distance import Indel

from grader.cohort import similarity
from grader.cohort.similarity import similar_pairs
from grader.exercise.model import Exercise


def renamed(files: Mapping[str, str]) -> dict[str, str]:
    """The same with other names and comments, and reindented."""
    words = {"attention": "looking", "cache": "memo", "hidden": "stream", "tokens": "ids", "layer": "level"}
    found = {}
    for name, text in files.items():
        for old, new in words.items():
            text = re.sub(rf"\b{old}\b", new, text)
        found[name] = re.sub(r"#.*", "# mine", text) + "\n# all my own work\n"
    return found


def test_a_copy_is_pointed_out_whatever_its_names_and_comments_are(exercise: Exercise) -> None:
    copy = renamed(exercise.reference)
    assert copy != exercise.reference

    (pair,) = similar_pairs({"ann": exercise.reference, "bob": copy}, exercise.starter())

    assert (pair.first, pair.second) == ("ann", "bob")
    assert pair.alike > 0.97


def test_the_starter_handed_in_by_many_points_at_nobody(exercise: Exercise) -> None:
    starter = exercise.starter()
    fixed = "\n\ndef fixed(model: object) -> object:\n    return model\n"
    few_lines = starter | {"train.py": starter["train.py"] + fixed}

    assert similar_pairs(dict.fromkeys(("ann", "bob", "eve"), few_lines), starter) == ()


def test_other_code_is_not_pointed_out(exercise: Exercise) -> None:
    here = Path(__file__)
    other = {"model.py": here.with_name("test_store.py").read_text(), "train.py": here.read_text()}

    assert similar_pairs({"ann": exercise.reference, "bob": other}, exercise.starter()) == ()


def test_the_pairs_do_not_hang_on_the_order(exercise: Exercise) -> None:
    several = {"c": exercise.reference, "a": renamed(exercise.reference), "b": exercise.reference}
    pairs = similar_pairs(several, exercise.starter())

    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert similar_pairs(dict(sorted(several.items())), exercise.starter()) == pairs


def test_what_is_no_python_is_compared_as_far_as_it_can_be_read(exercise: Exercise) -> None:
    text = exercise.reference["model.py"]
    torn = {"model.py": text + "'''\nnever closed ((("}
    empty = {"model.py": "\x0c\\"}

    (pair,) = similar_pairs({"a": {"model.py": text}, "b": torn, "c": empty}, exercise.starter())

    assert (pair.first, pair.second) == ("a", "b")


def test_the_time_does_not_grow_with_what_is_handed_in_beyond_the_tokens_that_are_looked_at() -> None:
    longest = {"model.py": "x = [1, 2]\n" * 40_000}
    looked_at = {"model.py": "x = [1, 2]\n" * 400}

    pairs = similar_pairs({"a": longest, "b": looked_at}, {})

    assert [(pair.first, pair.second, pair.alike) for pair in pairs] == [("a", "b", 1.0)]


def test_what_is_counted_beforehand_hides_no_pair_that_is_alike_to_the_last_tenth() -> None:
    lines = [f"{'f' * (1 + number % 3)}({', '.join('x' * (number % 7))})" for number in range(200)]
    changed = {
        f"{share:02}": {
            "model.py": "\n".join("if a: b" if number % 100 < share else line for number, line in enumerate(lines))
        }
        for share in range(0, 30, 2)
    }
    texts = {folder: files["model.py"] for folder, files in changed.items()}

    found = {(pair.first, pair.second): pair.alike for pair in similar_pairs(changed, {})}

    kinds = {folder: [_kind(token) for token in _read(text)] for folder, text in texts.items()}
    alike = {pair: Indel.normalized_similarity(*(kinds[folder] for folder in pair)) for pair in combinations(kinds, 2)}
    wanted = {pair: round(share, 4) for pair, share in alike.items() if share >= 0.9}
    assert 0 < len(wanted) < len(alike)
    assert found == pytest.approx(wanted, abs=1e-4)


def _read(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text)


def _kind(token: str) -> str:
    return token if keyword.iskeyword(token) or not token.isidentifier() else "name"


def test_code_is_read_line_by_line_as_it_would_be_as_a_whole() -> None:
    pieces = ['"', '"""', "'", "'''", "\\", "\\\n", "#", "\n", " ", "r", "a", "1", "e+", "."]
    random = Random(1)
    for _ in range(5_000):
        text = "".join(random.choices(pieces, k=random.randrange(30)))
        lines = similarity._LINE.findall(text)

        assert "".join(lines) == text
        assert [token for line in lines for token in similarity._TOKEN.findall(line)] == similarity._TOKEN.findall(text)


@pytest.mark.parametrize("torn", ['"\\', "'\n", "'''\"", '"""', "\\", "r"], ids=repr)
def test_strings_that_are_never_closed_take_no_more_time_than_others(torn: str) -> None:
    # A second look at what follows for each quote would take hours.
    assert similar_pairs({"a": {"model.py": torn * 500_000}, "b": {"model.py": ""}}, {}) == ()


def test_more_kinds_of_signs_than_there_are_characters_for_are_read_as_well() -> None:
    every = map(chr, [*range(0xD800), *range(0xE000, 0x20000)])
    signs = "".join(sign for sign in every if not sign.isalnum() and sign not in "#'\"")

    (pair,) = similar_pairs({"a": {"model.py": signs}, "b": {"model.py": signs}}, {})

    assert pair.alike == 1
