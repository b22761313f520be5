"""What a check is made of, and the catalogue: all that the families define, once each."""

from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
from hypothesis import strategies as st

from grader.checks import families
from grader.checks.catalogue import BY_ID, CHECKS, FAMILIES, checks_of, of_family
from grader.checks.check import Check, CheckFailed, Context, check
from grader.sandbox.questions import Settings
from mutations.operator import Category


class Number:
    """A case that is one number."""

    def __init__(self, value: int) -> None:
        self.value = value

    @property
    def config(self) -> Settings:
        return {}


@check(cases=st.integers().map(Number), examples=1)
def number_is_even(case: Number, context: Context) -> None:
    """The number is
    even.

    ## Why it matters
    Odd ones
    do not halve.

    ## Usual causes
    - One was added.
    - It was
      halved already.
    """
    if case.value % 2:
        raise CheckFailed("odd", "the number is even", f"it is {case.value}")


def test_a_check_is_the_function_that_is_decorated() -> None:
    context = cast("Context", None)  # it asks nothing

    assert isinstance(number_is_even, Check)
    assert (number_is_even.id, number_is_even.family) == ("number-is-even", "test-catalogue-of-checks")
    assert number_is_even.needs == ()
    number_is_even(Number(2), context)
    with pytest.raises(CheckFailed, match="it is 3"):
        number_is_even(Number(3), context)


def test_its_docstring_is_what_the_learner_reads() -> None:
    assert number_is_even.title == "The number is even."
    assert number_is_even.why == "Odd ones do not halve."
    assert number_is_even.usual_causes == ("One was added.", "It was halved already.")


def test_every_module_of_a_family_is_in_the_catalogue() -> None:
    (folder,) = families.__path__
    modules = {path.stem for path in Path(folder).glob("*.py")} - {"__init__"}

    assert {module.__name__.rpartition(".")[2] for module in FAMILIES} == modules
    assert len(FAMILIES) == len(modules)


def test_every_check_is_asked_once() -> None:
    defined = [each for module in FAMILIES for each in checks_of(module)]

    assert sorted(each.id for each in defined) == sorted(BY_ID)
    assert len(CHECKS) == len(BY_ID)


def test_a_check_that_is_asked_after_another_is_asked_right_after_it() -> None:
    for before, each in pairwise(CHECKS):
        if each.after is not None:
            assert before.id == each.after


def test_families_have_the_names_of_the_categories_of_bugs() -> None:
    assert {each.family for each in CHECKS} == {category.value for category in Category}
    assert {each.id for category in Category for each in of_family(category)} == set(BY_ID)


@pytest.mark.parametrize("module", FAMILIES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_module_holds_checks_of_one_family_and_is_named_for_it(module: ModuleType) -> None:
    (family,) = {each.family for each in checks_of(module)}

    assert module.__name__.rpartition(".")[2].replace("_", "-").startswith(family)


def test_what_a_check_needs_is_in_the_catalogue_too() -> None:
    assert {need.id for each in CHECKS for need in each.needs} <= set(BY_ID)
    assert all(need is BY_ID[need.id] for each in CHECKS for need in each.needs)
