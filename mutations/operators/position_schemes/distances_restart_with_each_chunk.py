"""In incremental decoding new queries stand where they stand in their chunk, as if it began the text.

## What it does
Counts the positions of queries from the first one of the chunk, while those of keys are counted from the first of all.

## Why it is wrong
A score knows the distance between a query and a key. If the query's position is its place in the chunk, a single new
token is at position zero each time, and all that was said before lies ahead of it.

## Symptom
Training is untouched, and so is the first chunk. From the second on, the model contradicts its forward pass, and text
that it generates with a cache drifts away from what it generates without one.

## How to find it
Read a text at once, and in two chunks. Compare the logits of the second chunk, and then the distances that they are
made with.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.layers import function_name
from mutations.roles.schemes import ARANGE, distances
from mutations.roles.sizes import resolve
from mutations.source import Source

OF_TWO = m.Call(func=m.Name() | m.Attribute(), args=[m.Arg(keyword=None, star=""), m.Arg(keyword=None, star="")])


def edits(source: Source) -> Iterator[Edit]:
    """Given positions of queries, beside those of keys that are counted from zero: turned, or subtracted."""
    found = [*_turned(source), *_subtracted(source)]
    for positions in sorted(found, key=source.span):
        name = source.code(positions)
        if isinstance(source.parent(positions), cst.Arg):
            yield source.replace(positions, f"{name} - {name}[..., :1]")
        else:
            yield source.replace(positions, f"({name} - {name}[..., :1])")


def _turned(source: Source) -> Iterator[cst.Name]:
    """`positions` of `turn(q, positions)`, where the same function has `turn(k, arange(...))`."""
    calls = [cst.ensure_type(node, cst.Call) for node in source.find(OF_TWO)]
    for call in calls:
        positions = call.args[1].value
        if isinstance(positions, cst.Name) and _is_parameter(source, positions):
            beside = [other for other in calls if other is not call and source.scope(other) is source.scope(call)]
            if any(
                function_name(other) == function_name(call)
                and not other.args[1].value.deep_equals(positions)
                and m.matches(resolve(source, other.args[1].value), ARANGE)
                for other in beside
            ):
                yield positions


def _subtracted(source: Source) -> Iterator[cst.Name]:
    """`positions` of `positions[:, None] - arange(...)`."""
    for found in distances(source):
        positions = cst.ensure_type(found.queries, cst.Subscript).value
        if isinstance(positions, cst.Name) and _is_parameter(source, positions):
            yield positions


def _is_parameter(source: Source, name: cst.Name) -> bool:
    scope = source.scope(name)
    return isinstance(scope, cst.FunctionDef) and any(param.name.deep_equals(name) for param in scope.params.params)


HEAD = "def attend(q, k, positions):\n    seen = torch.arange(k.size(2))\n"

OPERATOR = Operator(
    id="distances-restart-with-each-chunk",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/pytorch/executorch/pull/2010",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.SCHEMES, Part.CACHE}),
    hints=Hints(
        symptom="With a cache the model contradicts itself from the second chunk on; without one all is well.",
        area="Look at attention, at how it learns where the new tokens stand and where those of the past do.",
        mechanism="For one new token behind nine others, work out how far back the first of them is.",
    ),
    examples=(
        Example(
            HEAD + "    return rotate(q, positions) @ rotate(k, seen).mT\n",
            HEAD + "    return rotate(q, positions - positions[..., :1]) @ rotate(k, seen).mT\n",
        ),
        Example(
            HEAD + "    distance = positions[:, None] - seen\n    return bias[distance]\n",
            HEAD + "    distance = (positions - positions[..., :1])[:, None] - seen\n    return bias[distance]\n",
        ),
    ),
    look_alikes=(
        HEAD + "    return rotate(q, positions) @ rotate(k, positions).mT\n",
        "def forward(self, x, at=None):\n    if at is None:\n        at = torch.arange(x.size(1))\n"
        "    return f(x, at)\n",
        "def forward(q, k):\n    at = torch.arange(q.size(2))\n    return rotate(q, at) @ rotate(k, at).mT\n",
        "def bias(T):\n    at = torch.arange(T)\n    return at[:, None] - torch.arange(T)\n",
    ),
    edits=edits,
)
