"""Which submissions are pointed out as nearly the same: copies, renamed too, and never for what all were handed."""

import re
from collections.abc import Mapping
from pathlib import Path

from grader.cohort.similarity import similar_pairs
from grader.exercise import Exercise


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
    mended = "\n\ndef mended(model: object) -> object:\n    return model\n"
    few_lines = starter | {"train.py": starter["train.py"] + mended}

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
