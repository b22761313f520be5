"""Hypothesis as the grader's search needs it: for as long as the search lasts, and in its thread alone.

Hypothesis has no public switch for what is switched off here. Another user of it in the same process, as a test
suite does that imports the grader, finds it as it always is.
"""

import inspect
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import hypothesis
from hypothesis import core
from hypothesis.internal.conjecture import providers

from grader.errors import CannotJudge

OLDEST: Final = "6.155.7"  # that pyproject.toml allows
_turn = threading.Lock()
_searching = threading.local()  # .depth: searches under way in a thread
_under_way = 0  # in all threads


@contextmanager
def drawing_alike() -> Iterator[None]:
    """Within, this thread draws the same cases for the same seed wherever it is, and leaves random generators alone."""
    _count(1)
    _searching.depth = _depth() + 1
    try:
        yield
    finally:
        _searching.depth -= 1
        _count(-1)


def _count(change: int) -> None:
    """One search more or less; the first puts our versions in place, the last takes them away."""
    global _under_way
    with _turn:
        before, _under_way = _under_way, _under_way + change
        if not before:
            providers.HypothesisProvider._maybe_draw_constant = _draw_no_constant  # type: ignore[method-assign]
            vars(core)["deterministic_PRNG"] = _leave_generators_alone
        elif not _under_way:
            providers.HypothesisProvider._maybe_draw_constant = _maybe_draw_constant  # type: ignore[method-assign]
            vars(core)["deterministic_PRNG"] = _deterministic_prng


def _depth() -> int:
    return getattr(_searching, "depth", 0)


def _draw_no_constant(self: providers.HypothesisProvider, *given: Any, **named: Any) -> Any:
    """Keep hypothesis from mixing in constants: those it finds in the source files of loaded modules, and its own.

    The former depend on how the grader is installed and on what else is loaded, and the same seed must draw the
    same cases; the latter are out of bounds for sizes as small as ours, and sorting them out costs as much as a
    check.
    """
    if not _depth():
        return _maybe_draw_constant(self, *given, **named)
    assert self._random is not None
    self._random.random()  # by which it decides whether to look for one
    return None


def _leave_generators_alone(*given: Any, **named: Any) -> AbstractContextManager[None]:
    """Keep hypothesis from seeding and restoring the process's random generators around each case.

    Two threads that search at once would restore what the other has seeded, and leave them predictable. No
    strategy of ours draws from them.
    """
    return nullcontext() if _depth() else _deterministic_prng(*given, **named)


def _check_version() -> None:
    """Whether hypothesis has what is replaced here. Raises ``CannotJudge``."""
    draw = getattr(getattr(providers, "HypothesisProvider", None), "_maybe_draw_constant", None)
    lacking = None
    if draw is None or list(inspect.signature(draw).parameters)[:3] != ["self", "choice_type", "constraints"]:
        lacking = "HypothesisProvider._maybe_draw_constant"
    elif not hasattr(core, "deterministic_PRNG"):
        lacking = "deterministic_PRNG"
    if lacking is not None:
        raise CannotJudge(
            f"hypothesis {hypothesis.__version__} is not one that this grader can work with: it has no {lacking} "
            f"as expected. Versions from {OLDEST} on have it; constraints.txt names one that the tests pass with"
        )


_check_version()
_maybe_draw_constant: Final = providers.HypothesisProvider._maybe_draw_constant
_deterministic_prng: Final = vars(core)["deterministic_PRNG"]
