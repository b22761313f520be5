"""Rewriting a function changes no result of it, and what cannot be rewritten safely is left alone."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import libcst as cst
import pytest
from libcst import matchers as m

from mutations.refactoring import (
    Rewriting,
    drawn_together,
    function_named,
    in_steps,
    other_way_round,
    retold,
    run,
    with_helper,
    with_other_names,
)
from mutations.source import Source

# Each has a function `f` of a list of numbers; `log` notes what is evaluated, and in which order.
SAMPLES = {
    "steps": """\
def f(xs, log):
    x = log(sorted(xs))
    y = log([2 * each for each in x])
    x = log(x + y)
    return log(sum(x)) - len(y)
""",
    "a loop with a total": """\
def f(xs, log):
    total = 0
    count = 0
    for x in xs:
        scaled = x * 3
        total = total + log(scaled)
        count += 1
        last = scaled
    weights = [total, count]
    return weights, last
""",
    "carried round a loop": """\
def f(xs, log):
    seen = 0
    out = []
    for x in xs:
        step = x + seen
        seen = step * 2
        out = out + [log(step)]
    return out
""",
    "branches": """\
def f(xs, log):
    mask = log(xs[0])
    out = log("zero") if mask == 0 else log("other")
    if out is not None:
        out = out + "!"
    y = log(len(out))
    if y == 3:
        return log("three")
    return log(out)
""",
    "several at once": """\
def f(xs, log):
    a, b = log(xs[:2]), log(xs[2:])
    k, v = sorted(a), sorted(b)
    scores = k + v
    scores.append(len(a))
    return log(tuple(scores)).count(1) + len(v)
""",
    "a method": """\
class Model:
    def __init__(self):
        self.scale = 3

    def f(self, xs, log):
        # what is read first
        x = log(self.scale) * len(xs)
        y = self.shifted(log(x))  # and then
        h = y + self.scale
        return self.shifted(h), x

    def shifted(self, x):
        return x + self.scale


def f(xs, log):
    return Model().f(xs, log)
""",
    "what is bound under a condition": """\
def f(xs, log):
    past = None
    if xs:
        past = log(xs[0])
        keys = [past]
    if past is not None:
        keys = keys + xs
        past = keys[-1]
    out = log(past)
    return out
""",
}
REWRITINGS: dict[str, Rewriting] = {
    "steps": in_steps,
    "together": drawn_together,
    "other way round": other_way_round,
    "names": with_other_names,
}


def answers(text: str) -> tuple[list[Any], list[Any]]:
    """What `f` gives for some lists, and what it evaluated on the way."""
    space: dict[str, Any] = {}
    exec(compile(text, "sample", "exec"), space)
    logged: list[Any] = []

    def log(value: Any) -> Any:
        logged.append(repr(value))
        return value

    return [space["f"](list(xs), log) for xs in ([3, 1, 2], [0, 5, 1, 1])], logged


def named(text: str) -> tuple[Source, cst.FunctionDef]:
    source = Source("model.py", text)
    function = function_named(source, "Model.f" if "class Model" in text else "f")
    assert function is not None
    return source, function


def helped(text: str) -> Iterator[str]:
    """The text with each run of statements of each block in a helper, wherever that can be done."""
    source, function = named(text)
    for block in source.find(m.IndentedBlock(), within=function):
        steps = cst.ensure_type(block, cst.IndentedBlock).body
        for first, last in itertools.combinations(range(len(steps) + 1), 2):
            made = with_helper(source, function, run(source, steps[first:last]), "helper")
            if made is not None:
                yield made


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_statements_in_a_helper_compute_the_same(sample: str) -> None:
    found = set(helped(sample))

    assert len(found) >= 3
    assert [text for text in found if answers(text) != answers(sample)] == []
    assert all("def helper(" in text or "def _helper(self" in text for text in found)


@pytest.mark.parametrize("rewriting", REWRITINGS.values(), ids=REWRITINGS)
@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_a_rewriting_computes_the_same_in_the_same_order(rewriting: Rewriting, sample: str) -> None:
    text: str | None = sample
    for _ in range(3):
        assert text is not None
        further = rewriting(*named(text))
        assert answers(further or text) == answers(sample)
        text = further or text


@pytest.mark.parametrize("rewriting", REWRITINGS.values(), ids=REWRITINGS)
def test_each_rewriting_finds_something_to_rewrite(rewriting: Rewriting) -> None:
    assert [name for name, sample in SAMPLES.items() if rewriting(*named(sample)) not in (None, sample)] != []


UNSAFE = {
    "leaves the function": """\
def f(xs):
    for x in xs:
        if x:
            return x
        y = x
    z = xs
    return z
""",
    "leaves the loop": "def f(xs):\n    while xs:\n        x = xs\n        break\n    y = x\n    return y\n",
    "looks at its locals": "def f(xs):\n    x = xs\n    y = locals()\n    return y, x\n",
    "belongs to an outer function": """\
def f(xs):
    x = 1
    def g():
        nonlocal x
        x = 2
    g()
    return x
""",
    "has a name for two things": "def f(xs):\n    x = [x for x in xs]\n    y = x\n    return y\n",
    "may not have been bound": """\
def f(xs):
    if xs:
        y = 1
    z = len(xs)
    w = z
    return y, w
""",
}


@pytest.mark.parametrize("text", UNSAFE.values(), ids=UNSAFE)
def test_what_cannot_be_moved_safely_is_not_moved(text: str) -> None:
    source, function = named(text)
    steps = cst.ensure_type(function.body, cst.IndentedBlock).body

    assert with_helper(source, function, run(source, steps[:2]), "helper") is None


def test_a_comment_speaks_of_a_local_by_its_new_name() -> None:
    said = '"""Of `mask`, a mask.\n\n    Args:\n        mask: hides.\n    """'
    text = f"def f(log):\n    {said}\n    mask, lm_loss = 1, 2  # lm_loss\n    return mask\n"
    source, function = named(text)
    made = with_other_names(source, function)

    assert made is not None
    assert "Of `hidden`, a mask." in made
    assert "        hidden: hides." in made
    assert "hidden, text_loss = 1, 2  # text_loss" in made


@pytest.mark.parametrize(
    ("said", "new"),
    [
        pytest.param("# the lm_loss of all", "# the text_loss of all", id="a name of code"),
        pytest.param("# every mask is `mask`", "# every mask is `hidden`", id="a word and a name"),
        pytest.param("# x.mask and masked", "# x.mask and masked", id="a part of something else"),
    ],
)
def test_what_is_said_of_a_name(said: str, new: str) -> None:
    assert retold(said, {"lm_loss": "text_loss", "mask": "hidden"}) == new


def test_what_stays_is_not_renamed() -> None:
    source, function = named("def f(xs):\n    mask = xs\n    return mask\n")
    pick: Callable[[Any], str] = lambda names: names[0]  # noqa: E731

    assert with_other_names(source, function, pick, kept={"mask"}) is None
