"""Rotary angles are rounded to the model's precision before their sines and cosines are taken.

## What it does
Converts the products of positions and frequencies to the type of the queries, and takes sines and cosines of that.

## Why it is wrong
An angle of some hundred radians says nothing unless its fraction is kept. bfloat16 has eight bits: beyond 256 it holds
every second integer, beyond 512 every fourth, and pairs are turned anywhere. A sine is at most one, and can be rounded.

## Symptom
None in float32, and none in bfloat16 on short texts. A model in bfloat16 gets worse the longer the text is, from some
hundred tokens on.

## How to find it
Compute the table for a thousand positions in bfloat16 and in float32, and look where they part.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.schemes import wave
from mutations.source import Source

CONVERTED = m.Call(func=m.Attribute(attr=m.Name("to")), args=[m.Arg()])
OF_A_NAME = m.Name() | m.Attribute(value=m.Name(), attr=m.Name("dtype"))


def edits(source: Source) -> Iterator[Edit]:
    """Where a name is given angles whose sine and cosine are converted afterwards, in a function that has the type."""
    for node in source.find(m.Assign(targets=[m.AssignTarget(m.Name())])):
        assignment = cst.ensure_type(node, cst.Assign)
        angle = cst.ensure_type(assignment.targets[0].target, cst.Name)
        types = {kind: _converted_to(source, angle, kind) for kind in ("sin", "cos")}
        if types["sin"] is not None and types["sin"] == types["cos"]:
            value = source.code(assignment.value)
            whole = value if isinstance(assignment.value, cst.Call) else f"({value})"
            yield source.replace(assignment.value, f"{whole}.to({types['sin']})")


def _converted_to(source: Source, angle: cst.Name, kind: str) -> str | None:
    """The type that the sine of an angle is converted to: that of a parameter of the function."""
    scope = source.scope(angle)
    if not isinstance(scope, cst.FunctionDef):
        return None
    parameters = {param.name.value for param in scope.params.params}
    for node in source.find(CONVERTED, within=scope):
        call = cst.ensure_type(node, cst.Call)
        taken, target = wave(source, call, kind), call.args[0].value
        known = m.matches(target, OF_A_NAME) and source.code(target).partition(".")[0] in parameters
        if known and taken is not None and taken.deep_equals(angle):
            return source.code(target)
    return None


HEAD = "def turn(x, positions, freqs):\n"

OPERATOR = Operator(
    id="angles-in-the-models-precision",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/EleutherAI/gpt-neox/issues/1003",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.SCHEMES}),
    hints=Hints(
        symptom="In bfloat16 a model loses its way in long texts; the same weights in float32 do not.",
        area="Compare what positions are turned by, in both types, for the first hundred tokens and for the last.",
        mechanism="Some numbers here are at most one, and others grow with the text. Which of them can be rounded?",
    ),
    examples=(
        Example(
            HEAD + "    angle = positions.double()[..., None] * freqs  # (T, D/2)\n"
            "    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)\n    return x * cos + half(x) * sin\n",
            HEAD + "    angle = (positions.double()[..., None] * freqs).to(x.dtype)  # (T, D/2)\n"
            "    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)\n    return x * cos + half(x) * sin\n",
        ),
        Example(
            HEAD + "    t = torch.outer(positions, freqs)\n    cos = torch.cos(t).to(x)\n    sin = torch.sin(t).to(x)\n"
            "    return x * cos + half(x) * sin\n",
            HEAD + "    t = torch.outer(positions, freqs).to(x)\n    cos = torch.cos(t).to(x)\n"
            "    sin = torch.sin(t).to(x)\n    return x * cos + half(x) * sin\n",
        ),
    ),
    look_alikes=(
        HEAD + "    angle = positions * freqs\n    return x * angle.cos() + half(x) * angle.sin()\n",
        HEAD + "    angle = positions * freqs\n    return x * angle.cos().to(x.dtype)\n",
        "angle = positions * freqs\ncos, sin = angle.cos().to(dtype), angle.sin().to(dtype)\n",
    ),
    edits=edits,
)
