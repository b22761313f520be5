"""The same program in other words computes the same, and is another text in every function."""

import ast
import inspect
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mutations.rewording import reworded
from mutations.ways import Way

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(5)
# What a program may hold that is easily broken when it is said otherwise.
ODD = '''
"""What it is for."""
from __future__ import annotations

import math as m
from dataclasses import dataclass, field

LIMIT = 3  # at the top
getters = {"x": lambda self, k=2: k * LIMIT}

@dataclass
class Point:
    """Two numbers."""
    x: int = 1
    y: float = 0.5
    tags: list = field(default_factory=list)

    def __post_init__(self):
        self.__hidden = self.x + 1
        super().__init__()

    @property
    def hidden(self): return self.__hidden

    def moved(self, dx=2, *, dy: float = 1.5) -> "Point":
        """Elsewhere."""
        x = self.x + dx
        y = 2 * self.y if dy > 1 else dy
        return Point(x=x, y=y, tags=[*self.tags, f"{x=} {dx:>{4}} {self.x!r}"])

def closure(n):
    total = 0
    def add(k):
        nonlocal total
        total += k * 2
        return total
    return [add(k) for k in range(n)]

def scopes(x):
    found = [found for found in (1, 2, 3) if found != x]
    try:
        raise ValueError(f"{x=}")
    except ValueError as error:
        text = str(error)
    if (half := x / 2) < 1:
        text += " small"
    elif half == 1:
        text += " one"
    else:
        text += " large"
    global LIMIT
    LIMIT = LIMIT + 1
    return found, text, half, LIMIT

def matching(value):
    match value:
        case 1 | 2:
            return "low"
        case m.pi:
            return "pi"
        case {"a": a, **rest}:
            return a, rest
        case Point(x=0):
            return "origin"
        case [first, *others]:
            return first, others
        case _:
            return None

def generating(n):
    x = 10
    while n > 0:
        n -= 1
        yield x, dict(b=1, a=2), m.hypot(3, 4)
    return n

def looking():
    here = 1
    return sorted(locals())[:1] and here

def shadowed(x, int=str, sum=max):
    return int(1), sum((1, -1)), x[:, -1] if False else x[-1:], x[0] == 1, -2 ** 2, 1e-12, True, 1j

async def later():
    return [LIMIT for _ in range(1)]

def run():
    point = Point().moved().moved(dy=0.25)
    return [
        point, point.hidden, closure(4), scopes(1), scopes(2), scopes(9), list(generating(2)), looking(),
        [matching(value) for value in (1, m.pi, {"a": 1, "b": 2}, Point(x=0), [1, 2, 3], None)],
        shadowed([1, 2, 3]), getters["x"](None), LIMIT, scopes.__doc__ is None, type(later()).__name__,
    ]
'''


def run(text: str) -> Any:
    module = types.ModuleType("odd")
    sys.modules["odd"] = module  # where dataclasses look it up
    try:
        exec(compile(text, "odd.py", "exec"), vars(module))
    finally:
        del sys.modules["odd"]
    return module


@pytest.mark.filterwarnings("ignore:coroutine")
@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("way", [*Way, None])
def test_it_computes_the_same(way: Way | None, share: float) -> None:
    expected = repr(run(ODD).run())
    for seed in SEEDS:
        told = reworded(ODD, seed, share, [way] if way else list(Way))

        assert repr(run(told).run()) == expected


def test_what_a_caller_sees_stays() -> None:
    before, after = run(ODD), run(reworded(ODD, 1, 1.0))

    for name in ("closure", "scopes", "shadowed", "Point"):
        assert inspect.signature(getattr(before, name)) == inspect.signature(getattr(after, name))
    assert [name for name in vars(before) if name[:2] != "__"] == [name for name in vars(after) if name[:2] != "__"]
    assert before.Point.moved.__annotations__ == after.Point.moved.__annotations__
    assert before.Point.__annotations__ == after.Point.__annotations__


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from codes(part)


def names(text: str) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for code in codes(compile(text, "it.py", "exec")):
        found.setdefault(code.co_name, []).append(tuple(sorted(code.co_names)))
    return found


@pytest.mark.parametrize("file", ["reference/model.py", "reference/train.py", "candidate/model.py"])
def test_every_function_of_a_real_package_is_another(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    told = [reworded(text, seed) for seed in SEEDS]
    before, *after = (
        {node.name: ast.dump(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
        for source in (text, *told)
    )

    for functions in after:
        assert functions.keys() == before.keys()
        assert [name for name in before if before[name] == functions[name]] == []
    assert len(set(told)) == len(told)
    assert not any("#" in text or '"""' in text for text in told)
    assert reworded(text, 1) == reworded(text, 1)


def test_words_that_a_bug_would_take_away_are_nowhere_as_a_whole() -> None:
    told = reworded((ROOT / "reference/train.py").read_text("utf-8"), 1, 1.0)

    assert [word for word in ("zero_grad", "backward", "manual_seed", "clip_grad_norm_") if word in told] == []


@pytest.mark.parametrize("way", Way)
def test_every_way_changes_something(way: Way) -> None:
    plain, told = reworded(ODD, 1, 0.0), reworded(ODD, 1, 1.0, [way])
    for text in (plain, told):
        assert ast.parse(text)

    assert names(plain) != names(told) or ast.dump(ast.parse(plain)) != ast.dump(ast.parse(told))


def test_a_star_may_have_brought_any_name() -> None:
    text = "from math import *\ndef f(x):\n    return x.real + 1\n"

    assert "getattr" not in reworded(text, 1, 1.0)
    assert "int(" not in reworded(text, 1, 1.0)


def test_what_is_no_python_is_refused() -> None:
    with pytest.raises(SyntaxError):
        reworded("def f(:", 1)
