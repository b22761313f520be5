"""Every operator there is, in the order in which they are shown."""

import importlib
import pkgutil
from collections.abc import Iterator
from difflib import get_close_matches

from mutations import operators
from mutations.by_products import BY_PRODUCTS
from mutations.errors import UnknownOperatorError
from mutations.operator import Category, Operator


def _discover() -> Iterator[Operator]:
    """The operator of each module under operators/: one a file, so that adding a file is all it takes."""
    for found in pkgutil.walk_packages(operators.__path__, f"{operators.__name__}."):
        if not found.ispkg:
            operator: Operator = importlib.import_module(found.name).OPERATOR
            yield operator


OPERATORS: tuple[Operator, ...] = tuple(
    sorted(_discover(), key=lambda operator: (list(Category).index(operator.category), operator.id))
)


EVERY: tuple[Operator, ...] = (*OPERATORS, *BY_PRODUCTS)


def operator(operator_id: str) -> Operator:
    """The operator of that id, with or without a refactoring."""
    by_id = {operator.id: operator for operator in EVERY}
    if operator_id not in by_id:
        near = get_close_matches(operator_id, by_id, n=1)
        listed = f"expected one of the {len(by_id)} that `grader mutations` lists"
        advice = f"did you mean {near[0]!r}?" if near else listed
        raise UnknownOperatorError(f"operator={operator_id!r} is unknown; {advice}")
    return by_id[operator_id]
