"""Every operator there is, in the order in which they are shown."""

from difflib import get_close_matches

from mutations.errors import UnknownOperatorError
from mutations.operator import Operator
from mutations.operators import (
    mask_peeks_one_ahead,
    optimizer_never_steps,
    position_sum_discarded,
    projection_to_model_width,
)

OPERATORS: tuple[Operator, ...] = (
    mask_peeks_one_ahead.OPERATOR,
    position_sum_discarded.OPERATOR,
    projection_to_model_width.OPERATOR,
    optimizer_never_steps.OPERATOR,
)


def operator(operator_id: str) -> Operator:
    """The operator of that id."""
    by_id = {operator.id: operator for operator in OPERATORS}
    if operator_id not in by_id:
        near = get_close_matches(operator_id, by_id, n=1)
        advice = f"did you mean {near[0]!r}?" if near else f"expected one of {sorted(by_id)!r}"
        raise UnknownOperatorError(f"operator={operator_id!r} is unknown; {advice}")
    return by_id[operator_id]
