"""Bits are compared as bits, closeness never includes NaN, and the first difference is the first."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.checks.compare import (
    EPS64,
    TOLERANCES,
    close,
    describe,
    differing,
    finite,
    first_difference,
    furthest,
    same_bits,
    ulps,
)
from grader.sandbox.wire import Array

FLOATS = {
    "float32": st.floats(width=32, allow_nan=False, allow_infinity=False),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
}
quick = settings(
    max_examples=200, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def array(*values: Any, dtype: str = "float64") -> np.ndarray[Any, Any]:
    return np.array(values, dtype)


def test_zero_and_minus_zero_are_equal_and_not_the_same_bits() -> None:
    assert (array(0.0) == array(-0.0)).all()
    assert not same_bits(array(0.0), array(-0.0))
    assert differing(array(0.0, 1.0), array(-0.0, 1.0)).tolist() == [True, False]


def test_nan_has_the_same_bits_as_itself_and_not_as_another_nan() -> None:
    other = np.array([0x7FF8000000000001], np.uint64).view(np.float64)

    assert same_bits(array(math.nan), array(math.nan))
    assert not same_bits(array(math.nan), other)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        pytest.param(np.zeros((2, 3)), np.zeros((3, 2)), id="shape"),
        pytest.param(np.zeros(2, np.float32), np.zeros(1, np.float64), id="bytes-alike"),
        pytest.param(np.zeros(2, np.int32), np.zeros(2, np.float32), id="dtype"),
        pytest.param(np.zeros(0), np.zeros((0, 2)), id="empty"),
    ],
)
def test_shape_and_dtype_are_part_of_the_bits(actual: Any, expected: Any) -> None:
    assert not same_bits(actual, expected)


def test_layout_in_memory_is_no_part_of_the_bits() -> None:
    plain = np.arange(6.0).reshape(2, 3)

    assert same_bits(np.asfortranarray(plain), plain)
    assert not differing(plain.T, plain.T.copy()).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@quick
@given(data=st.data())
def test_neighbouring_floats_are_one_ulp_apart(dtype: str, data: st.DataObject) -> None:
    kind = np.dtype(dtype)
    value = kind.type(data.draw(FLOATS[dtype]))
    with np.errstate(over="ignore"):
        above = np.nextafter(value, kind.type(np.inf))
    # Zero has two neighbours at the same place: itself with the other sign.
    passes_zero = value == 0 and np.signbit(value)
    enters_zero = above == 0 and not np.signbit(above)
    expected = None if np.isinf(above) else 2 if passes_zero or enters_zero else 1

    assert expected == ulps(float(value), float(above), kind)


@quick
@given(FLOATS["float32"], FLOATS["float32"])
def test_ulps_are_symmetric_and_zero_for_the_same_bits_alone(a: float, b: float) -> None:
    kind = np.dtype("float32")

    assert ulps(a, b, kind) == ulps(b, a, kind)
    assert (ulps(a, b, kind) == 0) == same_bits(array(a, dtype="float32"), array(b, dtype="float32"))


def test_ulps_count_across_zero_and_have_no_meaning_beyond_the_finite() -> None:
    kind = np.dtype("float64")

    assert ulps(0.0, -0.0, kind) == 1
    assert ulps(5e-324, -5e-324, kind) == 3
    assert ulps(1.0, 1.0 + EPS64, kind) == 1
    assert ulps(2.0, 4.0, kind) == 1 << 52
    assert [ulps(1.0, bad, kind) for bad in (math.nan, math.inf, -math.inf)] == [None, None, None]


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_nothing_is_close_to_nan(tolerance: str) -> None:
    assert not close(array(math.nan), array(1.0), tolerance)
    assert not close(array(1.0), array(math.nan), tolerance)
    assert not close(array(math.nan), array(math.nan), tolerance)
    assert not close(array(1.0, math.nan), array(1.0, 1.0), tolerance)


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_infinity_is_close_to_nothing(tolerance: str) -> None:
    assert not close(array(math.inf), array(1.0), tolerance)
    assert not close(array(math.inf), array(math.inf), tolerance)


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_close_is_relative_to_the_largest_value_and_includes_its_bound(tolerance: str) -> None:
    relative = TOLERANCES[tolerance].relative
    expected = array(1024.0, 0.0)

    assert close(expected, expected, tolerance)
    assert close(array(1024.0, 1024.0 * relative), expected, tolerance)
    assert not close(array(1024.0, 1024.0 * relative * 1.01), expected, tolerance)


def test_close_needs_one_shape_and_takes_nothing_as_close_to_nothing() -> None:
    assert not close(np.zeros((1, 2)), np.zeros(2), "logits, float64")
    assert close(np.zeros((0, 2)), np.zeros((0, 2)), "logits, float64")
    assert close(np.zeros(3), np.zeros(3), "logits, float64")
    assert not close(array(1e-300), array(0.0), "logits, float64")


def test_an_unknown_tolerance_is_our_mistake() -> None:
    with pytest.raises(KeyError, match="whatever"):
        close(array(1.0), array(1.0), "whatever")


@pytest.mark.parametrize(
    ("values", "expected"), [((1.0, -2.0), True), ((1.0, math.nan), False), ((math.inf,), False), ((), True)]
)
def test_finite_means_every_element(values: tuple[float, ...], expected: bool) -> None:
    assert expected is finite(array(*values))


def test_the_first_difference_follows_the_order_of_what_was_expected() -> None:
    expected = {"b": array(1.0, 2.0, 3.0), "a": array(1.0)}
    actual = {"a": array(9.0), "b": array(1.0, 2.5, 9.0)}
    difference = first_difference(actual, expected)

    assert difference is not None
    assert (difference.tensor, difference.element) == ("b", (1,))
    assert (difference.actual, difference.expected) == ("2.5", "2.0")
    assert difference.ulps == 1 << 21  # of float32, in which losses are computed that travel in float64


def test_losses_that_travel_in_float64_are_counted_in_float32() -> None:
    """Two steps of float32; of float64 they would be 1073741824."""
    one, other = array(2.9263951778411865), array(2.9263947010040283)

    assert (found := first_difference({"loss": one}, {"loss": other})) is not None
    assert found.ulps == 2


def test_what_differs_by_less_than_a_step_of_float32_is_one_apart() -> None:
    assert (found := first_difference({"x": array(1.0 + EPS64)}, {"x": array(1.0)})) is not None
    assert found.ulps == 1


@pytest.mark.parametrize(
    ("actual", "expected", "apart"),
    [
        pytest.param({"x": array(1.0, 2.0)}, {"x": array(1.0, 2.0)}, 0, id="same"),
        pytest.param({"x": array(4.0, 1e-9)}, {"x": array(4.0, 0.0)}, 1, id="what-cancels-out"),
        pytest.param({"x": array(4.0 + 6 * 2**-21)}, {"x": array(4.0)}, 6, id="six-steps"),
        pytest.param({"x": array(math.nan)}, {"x": array(1.0)}, None, id="nan"),
        pytest.param({"x": array(1.0, 2.0)}, {"x": array(1.0)}, None, id="another-shape"),
        pytest.param({}, {"x": array(1.0)}, None, id="missing"),
    ],
)
def test_how_far_apart_is_counted_in_steps_of_the_largest_number(
    actual: dict[str, Array], expected: dict[str, Array], apart: int | None
) -> None:
    assert furthest(actual, expected) == apart


@pytest.mark.parametrize(
    ("actual", "tensor", "told", "wanted"),
    [
        pytest.param({}, "x", "missing", "float64 of shape (2,)", id="missing"),
        pytest.param({"x": np.zeros(3)}, "x", "float64 of shape (3,)", "float64 of shape (2,)", id="shape"),
        pytest.param({"x": np.zeros(2, int)}, "x", "int64 of shape (2,)", "float64 of shape (2,)", id="dtype"),
        pytest.param({"x": np.zeros(2), "y": array(1.0)}, "y", "float64 of shape (1,)", "absent", id="extra"),
        pytest.param({"x": array(0.0, -0.0)}, "x", "-0.0", "0.0", id="sign-of-zero"),
        pytest.param({"x": array(0.0, math.nan)}, "x", "nan", "0.0", id="nan"),
    ],
)
def test_a_difference_says_what_is_there_and_what_was_wanted(
    actual: dict[str, Any], tensor: str, told: str, wanted: str
) -> None:
    difference = first_difference(actual, {"x": np.zeros(2)})

    assert difference is not None
    assert (difference.tensor, difference.actual, difference.expected) == (tensor, told, wanted)


def test_the_element_of_a_difference_has_an_index_for_each_axis() -> None:
    expected = np.zeros((2, 3, 4), np.float32)
    actual = expected.copy()
    actual[1, 0, 2] = actual[1, 2, 0] = 1
    difference = first_difference({"x": actual}, {"x": expected})

    assert difference is not None
    assert difference.element == (1, 0, 2)
    assert first_difference({"x": actual}, {"x": actual.copy()}) is None


def test_differences_of_integers_have_no_ulps() -> None:
    difference = first_difference({"x": array(1, dtype="int64")}, {"x": array(2, dtype="int64")})

    assert difference is not None
    assert difference.ulps is None


def test_scalars_are_compared_too() -> None:
    difference = first_difference({"x": np.array(1.0)}, {"x": np.array(2.0)})

    assert difference is not None
    assert (difference.element, difference.actual) == ((), "1.0")
    assert describe(np.array(1.0)) == "float64 of shape ()"
