"""A candidate agrees with a variant on every question of a facet, or it does not agree with it."""

from collections.abc import Iterator, Mapping
from functools import partial

import pytest

from grader.comparisons.catalogue import BY_ID
from grader.exercise.model import Exercise
from grader.grading.answer_cache import trusted
from grader.grading.variants import Lattice, Match
from grader.packages.package import Crew, Oracle, PackageRaised
from grader.result.record import Lane
from grader.sandbox.client import Launcher
from grader.seeds import Seeds

REFUSAL = "if config.d_model % config.n_head != 0:"


@pytest.fixture
def crew(launcher: Launcher) -> Iterator[Crew]:
    crew = Crew(launcher)
    yield crew
    crew.close()


def match(facet: str, files: Mapping[str, str], exercise: Exercise, crew: Crew) -> Match:
    lattice = Lattice(exercise, Seeds(1, "candidate"), partial(trusted, crew))
    candidate = Oracle(crew, "the candidate", files, 30.0)
    return lattice.match(BY_ID[facet], candidate, lattice.put(BY_ID[facet], candidate))


def test_a_candidate_has_the_bugs_of_the_variant_that_it_agrees_with(exercise: Exercise, crew: Crew) -> None:
    for bugs in (frozenset[str](), frozenset({"position"}), frozenset({"position", "projection"})):
        found = match("forward", exercise.variant(bugs), exercise, crew)

        assert (found.bugs, found.lane) == (bugs, Lane.BITWISE)
        assert (found.difference is None) is (not bugs)


def test_to_agree_on_some_questions_of_a_facet_is_not_to_agree(exercise: Exercise, crew: Crew) -> None:
    """The first thing that has to be refused is refused, the second is not."""
    text = exercise.reference["model.py"]
    assert text.count(REFUSAL) == 1
    found = match("errors", {**exercise.reference, "model.py": text.replace(REFUSAL, "if False:")}, exercise, crew)

    assert (found.bugs, found.lane) == (None, Lane.BEHAVIOUR)
    assert found.where.startswith("what has to be refused with ")
    assert "n_head=7" in found.where


def test_another_order_of_adding_up_agrees_in_float64(exercise: Exercise, crew: Crew) -> None:
    plain = "scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))"
    other = "scores = (q * q.size(-1) ** -0.5) @ k.transpose(-2, -1)"
    text = exercise.reference["model.py"]
    assert text.count(plain) == 1
    found = match("forward", {**exercise.reference, "model.py": text.replace(plain, other)}, exercise, crew)

    assert (found.bugs, found.lane) == (frozenset(), Lane.FLOAT64)
    assert found.difference is not None


def test_a_candidate_that_gives_no_answer_agrees_with_nothing(exercise: Exercise, crew: Crew) -> None:
    found = match("forward", {**exercise.reference, "model.py": "raise RuntimeError('none')\n"}, exercise, crew)

    assert (found.bugs, found.lane) == (None, Lane.BEHAVIOUR)
    assert isinstance(found.trouble, PackageRaised)
