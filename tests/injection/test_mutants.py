"""Which sites there are for bugs, and which edits cannot both be made."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement, product

import pytest

from grader.exercise.model import Exercise
from grader.injection.choose import Mutant, mutants, overlap, planted
from mutations.catalogue import OPERATORS, operator
from mutations.edit import Edit, splice
from mutations.errors import SpliceError
from mutations.gaps import find_gaps
from mutations.operator import Operator
from mutations.source import Source

TEXT = "abcd"


def edit(start: int, end: int, file: str = "model.py") -> Edit:
    return Edit(file, start, end, TEXT[start:end], "x")


def at(*spans: tuple[int, int]) -> Operator:
    """An operator with these sites in any text."""

    def edits(source: Source) -> Iterator[Edit]:
        return (source.replace_span(*span, "x") for span in spans)

    return replace(operator("mask-flipped"), edits=edits)


@pytest.fixture(scope="module")
def gaps(exercise: Exercise) -> list[Edit]:
    """What is taken out of the built-in reference to be built by the learner."""
    return [gap.edit for gap in find_gaps({file: Source(file, text) for file, text in exercise.reference.items()})]


@pytest.fixture(scope="module")
def everywhere(exercise: Exercise) -> list[Mutant]:
    """The whole catalogue at all its sites in the built-in reference."""
    return list(mutants(exercise.reference, OPERATORS))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param((0, 2), (1, 3), True, id="shared-bytes"),
        pytest.param((0, 4), (1, 2), True, id="one-inside-the-other"),
        pytest.param((0, 2), (2, 4), False, id="neighbours"),
        pytest.param((1, 1), (1, 1), True, id="two-insertions-at-one-place"),
        pytest.param((0, 4), (2, 2), True, id="insertion-inside"),
        pytest.param((1, 3), (1, 1), True, id="insertion-at-the-start"),
        pytest.param((1, 3), (3, 3), False, id="insertion-at-the-end"),
        pytest.param((0, 1), (3, 4), False, id="far-apart"),
    ],
)
def test_edits_overlap_where_they_touch_the_same_bytes(
    one: tuple[int, int], other: tuple[int, int], expected: bool
) -> None:
    assert overlap(edit(*one), edit(*other)) is expected
    assert overlap(edit(*other), edit(*one)) is expected
    assert not overlap(edit(*one), edit(*other, file="train.py"))


def test_two_edits_overlap_exactly_if_they_cannot_both_be_made() -> None:
    spans = list(combinations_with_replacement(range(len(TEXT) + 1), 2))
    for one, other in product(spans, spans):
        try:
            splice(TEXT, [edit(*one), edit(*other)])
        except SpliceError:
            fits = False
        else:
            fits = True

        assert overlap(edit(*one), edit(*other)) is not fits, (one, other)


def test_there_is_a_mutant_for_each_site_numbered_in_the_order_of_the_text() -> None:
    planned = at((0, 1), (2, 3))

    found = list(mutants({"model.py": TEXT}, [planned]))

    assert found == [Mutant(planned, edit(0, 1), 0), Mutant(planned, edit(2, 3), 1)]
    assert [str(mutant) for mutant in found] == ["mask-flipped", "mask-flipped (site 2)"]
    assert found[1].files({"model.py": TEXT}) == {"model.py": "abxd"}


def test_a_site_that_a_kept_edit_touches_is_left_out_and_the_others_keep_their_numbers() -> None:
    planned = at((0, 1), (2, 3), (3, 4))
    kept = [edit(1, 3), edit(0, 4, file="train.py")]

    assert [mutant.site for mutant in mutants({"model.py": TEXT}, [planned], kept)] == [0, 2]


def test_a_bug_is_found_in_whatever_file_its_code_is() -> None:
    (found,) = mutants({"train.py": TEXT, "test_visible.py": TEXT}, [at((0, 1))])

    assert found.edit.file == "train.py"


def test_beside_the_gaps_of_the_reference_all_sites_are_left_but_those_inside_them(
    exercise: Exercise, everywhere: list[Mutant], gaps: list[Edit]
) -> None:
    some = [each for each in OPERATORS if each.category in ("masking", "kv-cache", "classifier")]
    beside = list(mutants(exercise.reference, some, gaps))

    assert beside == [
        mutant for mutant in everywhere if mutant.operator in some and not any(overlap(mutant.edit, g) for g in gaps)
    ]
    assert "masking" in {mutant.operator.category for mutant in beside}
    assert "kv-cache" in {mutant.operator.category for mutant in everywhere if mutant not in beside}


def test_every_mutant_beside_the_gaps_can_be_planted_together_with_them(
    exercise: Exercise, everywhere: list[Mutant], gaps: list[Edit]
) -> None:
    stubbed = planted(exercise.reference, gaps)
    beside = [mutant for mutant in everywhere if not any(overlap(mutant.edit, gap) for gap in gaps)]
    for mutant in beside:
        files = planted(exercise.reference, [mutant.edit, *gaps])

        assert files != stubbed, str(mutant)
        for text in files.values():
            compile(text, str(mutant), "exec")

    assert {mutant.operator.category for mutant in beside} >= {"masking", "position", "loss", "optimizer"}


def test_the_mutants_of_the_catalogue_are_what_each_operator_finds_by_itself(
    exercise: Exercise, everywhere: list[Mutant]
) -> None:
    for chosen in OPERATORS[::10]:
        alone = chosen.find(exercise.reference[chosen.file])

        found = [mutant.edit for mutant in everywhere if mutant.operator is chosen]
        assert [edit for edit in found if edit.file == chosen.file] == alone, chosen.id


def test_a_mutant_changes_nothing_but_its_file(exercise: Exercise, everywhere: list[Mutant]) -> None:
    for mutant in everywhere:
        files = mutant.files(exercise.reference)

        assert {name for name in files if files[name] != exercise.reference[name]} == {mutant.edit.file}, str(mutant)
