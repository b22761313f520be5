"""Comparing tensors, in the grader, on raw bytes or within a stated tolerance.

Bits are compared as integers together with shape and dtype: ``torch.equal`` calls 0.0 and -0.0 equal.
Tolerances are written ``not (d <= tolerance)``, so that NaN is never close to anything.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from grader.sandbox.wire import Array

EPS32: Final = float(np.finfo(np.float32).eps)
EPS64: Final = float(np.finfo(np.float64).eps)
EPS_BFLOAT16: Final = 2.0**-7


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far apart two computations of the same thing may be, as a factor of the largest value."""

    relative: float
    measured: str  # what correct code was seen to need


TOLERANCES: Final = {
    "logits, float64": Tolerance(64 * EPS64, "11 eps64 over 500 random configs, cached against full; docs/numerics.md"),
    "logits, softmax in float32": Tolerance(
        8 * EPS32, "2 eps32 with att.float().softmax(-1).type_as(q); docs/numerics.md"
    ),
    "logits, float32": Tolerance(
        32 * EPS32, "6.5 eps32 at 300 positions over 60 draws, beside float64; docs/numerics.md"
    ),
    "logits, float32, another order": Tolerance(
        1e-3, "4e-6 with attention, norms and products written otherwise, at 130 positions; what is wrong is 0.01 off"
    ),
    "logits, float32, cached": Tolerance(
        1e-4, "7e-7 in chunks of 80 positions, beside one forward; keys in bfloat16 are 1e-3 off"
    ),
    "logits, bfloat16": Tolerance(
        8 * EPS_BFLOAT16, "2.3 eps at 300 positions, 60 draws; positions that collide 13 and more; docs/numerics.md"
    ),
    "logits, angles in float32": Tolerance(64 * EPS32, "1.7 eps32 with tables in float32; a base of 1000 is 450 off"),
    "shares of attention": Tolerance(1e-5, "5e-7 with angles in float32; a wrong slope of ALiBi is 5e-3 off"),
    "logits, large scores": Tolerance(0.05, "0.005 in a softmax in float32; a mask of -1e4 is 0.1 off"),
    "logits, attention by hand": Tolerance(1e-3, "5e-6 with an epsilon of 1e-12, 1e-7 with a softmax in float32"),
    "logits, another epsilon": Tolerance(0.03, "0.012 with 1e-12 or 2e-5 instead of 1e-5; 0.1 with 1e-3"),
    "scalar loss, float64": Tolerance(1e-9, "below 1e-15; another order of summation over at most 10^4 terms"),
    "scalar loss, float32": Tolerance(8 * EPS32, "1 eps32 with a cross entropy in float32; another batch is 1e-3 off"),
    "gradients, float64": Tolerance(1e-9, "below 1e-14 against cross entropy written by hand"),
    "early losses of a run, float64": Tolerance(1e-7, "1e-8 in 20 steps where the norm is clipped without a safeguard"),
    "losses of a run, float64": Tolerance(1e-5, "8e-7 in 200 steps for the same reason, 6e-15 otherwise"),
    "losses of a run, float32": Tolerance(1e-3, "2e-5 in 200 steps, in whichever order sums are taken"),
    "gradients, softmax in float32": Tolerance(2 * EPS32, "0.13 eps32 over six draws of weights"),
    "movement beyond rounding": Tolerance(1e-7, "a permuted sum moves below 1e-14; a real dependence above 1e-3"),
}
PARAMETERS_PER_STEP: Final = 1e-6  # times lr and steps: float64 parameters after training


def same_bits(actual: Array, expected: Array) -> bool:
    """Whether both have the same shape, dtype and bytes."""
    return actual.shape == expected.shape and actual.dtype == expected.dtype and actual.tobytes() == expected.tobytes()


def differing(actual: Array, expected: Array) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Element-wise: whether the bytes differ. Both must have one shape and dtype."""
    as_integers = f"u{actual.dtype.itemsize}"
    different: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = np.ascontiguousarray(actual).view(
        as_integers
    ) != np.asarray(expected, order="C").view(as_integers)
    return different.reshape(actual.shape)  # a contiguous array has one dimension at least; a scalar has none


def close(actual: Array, expected: Array, tolerance: str) -> bool:
    """Whether shapes agree and no element is further off than the named tolerance."""
    if actual.shape != expected.shape:
        return False
    if expected.dtype.kind == "b":
        return np.array_equal(actual, expected)
    scale = float(np.max(np.abs(expected), initial=0.0))
    with np.errstate(invalid="ignore"):  # infinity less infinity is NaN, which is close to nothing
        difference = float(np.max(np.abs(actual - expected), initial=0.0))
    return difference <= TOLERANCES[tolerance].relative * max(scale, np.finfo(np.float64).tiny)


ERRORS: Final = 6  # of a mean: how many standard errors two may be apart
DEVIATIONS: Final = (
    0.2  # of a deviation's logarithm: 0.14 was seen between seeds, 0.29 where a layer drops half as often
)


def spread_alike(actual: Array, expected: Array) -> bool:
    """Logits (B, T, V), of the same tokens in every row: whether each has about the same mean and deviation."""
    if actual.shape != expected.shape:
        return False
    (mean, deviation), (right_mean, right_deviation) = (
        (side.mean(axis=0), side.std(axis=0) + np.finfo(np.float64).tiny) for side in (actual, expected)
    )
    error = np.hypot(deviation, right_deviation) / np.sqrt(len(actual))
    apart = np.abs(np.log(deviation / right_deviation))
    return bool((np.abs(mean - right_mean) <= ERRORS * error).all() and (apart <= DEVIATIONS).all())


def finite(array: Array) -> bool:
    """Whether no element is NaN or infinite."""
    return bool(np.isfinite(array).all())


def ulps(actual: float, expected: float, dtype: "np.dtype[np.generic]") -> int | None:
    """How many representable numbers lie between two floats of ``dtype``; None for NaN and infinities."""
    if not (np.isfinite(actual) and np.isfinite(expected)):
        return None
    return abs(_ordered(actual, dtype) - _ordered(expected, dtype))


def ulp_distances(actual: Array, expected: Array) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    """Element-wise ``ulps`` of two float32 arrays of one shape, all finite: int64."""
    one, other = (np.ascontiguousarray(side).view(np.int32).astype(np.int64) for side in (actual, expected))
    most = np.int64(2**31 - 1)
    first, second = (np.where(raw < 0, -(raw & most) - 1, raw) for raw in (one, other))
    distances: np.ndarray[tuple[int, ...], np.dtype[np.int64]] = np.abs(first - second)
    return distances


def _ordered(value: float, dtype: "np.dtype[np.generic]") -> int:
    """An integer that orders floats of ``dtype`` as the numbers they are; 0.0 and -0.0 are one apart."""
    bits = dtype.itemsize * 8
    raw = int(np.array(value, dtype).view(f"u{dtype.itemsize}"))
    return raw if raw < 1 << (bits - 1) else (1 << (bits - 1)) - 1 - raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first place where two answers differ, in the order the tensors were recorded.

    Attributes:
        ulps: how far apart they are, in units in the last place of float32 at most: what was computed in float32
            travels in float64 where Python has made a float of it.
    """

    tensor: str
    element: tuple[int, ...]
    actual: str
    expected: str
    ulps: int | None


def first_difference(actual: Mapping[str, Array], expected: Mapping[str, Array]) -> Difference | None:
    """The first tensor, in ``expected``'s order, that is not the same bit for bit, and its first such element."""
    for name, wanted in expected.items():
        got = actual.get(name)
        if got is None:
            return Difference(tensor=name, element=(), actual="missing", expected=describe(wanted), ulps=None)
        if got.shape != wanted.shape or got.dtype != wanted.dtype:
            return Difference(tensor=name, element=(), actual=describe(got), expected=describe(wanted), ulps=None)
        if not same_bits(got, wanted):
            element = tuple(int(i) for i in np.argwhere(differing(got, wanted))[0])
            a, b = got[element].item(), wanted[element].item()
            distance = _apart(a, b, got.dtype) if got.dtype.kind == "f" else None
            return Difference(tensor=name, element=element, actual=repr(a), expected=repr(b), ulps=distance)
    extra = next((name for name in actual if name not in expected), None)
    if extra is not None:
        return Difference(tensor=extra, element=(), actual=describe(actual[extra]), expected="absent", ulps=None)
    return None


def fingerprint(answers: Iterable[Mapping[str, Array]]) -> str:
    """SHA-256 of the bits of all answers, with names, shapes and types: the same where no first difference is found."""
    digest = hashlib.sha256()
    for answer in answers:
        for name, array in sorted(answer.items()):
            digest.update(f"{name!r} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
        digest.update(b"\n")
    return digest.hexdigest()


def furthest(actual: Mapping[str, Array], expected: Mapping[str, Array]) -> int | None:
    """How far apart two answers are where they are furthest; None where that cannot be counted.

    In ULP of float32, those of the largest number of a tensor: where large numbers cancel out, what is left over is
    thousands of its own apart.
    """
    distances = [0]
    for name, wanted in expected.items():
        got = actual.get(name)
        if got is None or got.shape != wanted.shape or got.dtype != wanted.dtype:
            return None
        if got.dtype.kind == "f" and got.size:
            if not (finite(got) and finite(wanted)):
                return None
            one, other = (np.asarray(side, np.float64) for side in (got, wanted))
            step = float(np.spacing(np.float32(np.abs(other).max())))
            distances.append(math.ceil(float(np.abs(one - other).max()) / step))
    return max(distances)


def _apart(actual: float, expected: float, dtype: "np.dtype[np.generic]") -> int | None:
    """ULP, those of float32 in place of smaller ones; what differs is 1 apart at least."""
    narrow = np.dtype(np.float32) if dtype == np.float64 else dtype
    with np.errstate(over="ignore"):
        distance = ulps(actual, expected, narrow)
    return None if distance is None else max(1, distance)


def largest_change(answer: Mapping[str, Array], expected: Mapping[str, Array]) -> float:
    """The largest change of a tensor, relative to its largest value; 1 at most."""
    if answer.keys() != expected.keys():
        return 1.0
    changes = [0.0]
    for name, wanted in expected.items():
        got = answer[name]
        if got.shape != wanted.shape:
            return 1.0
        if wanted.size:
            scale = float(np.max(np.abs(wanted.astype(np.float64)))) or 1.0
            change = float(np.max(np.abs(got.astype(np.float64) - wanted.astype(np.float64)))) / scale
            changes.append(change if np.isfinite(change) else 1.0)
    return min(1.0, max(changes))


def describe(array: Array) -> str:
    """Shape and dtype in words."""
    return f"{array.dtype} of shape {tuple(array.shape)}"
