"""Decoding writes the grown keys and values into the cache that it was given.

## What it does
Stores what is concatenated in the tensors of the past too, so that the caller's cache grows with the new one.

## Why it is wrong
A cache may have more than one continuation: several answers to one prompt, a draft that is thrown away. The kept
cache then has tokens of another text in it.

## Symptom
One text from start to end is decoded as it should be. The second continuation of the same cache has read the first
one, starts at a later position, and says something else.

## How to find it
Copy a cache, decode a chunk with it, and compare the cache with the copy: shapes and values must be what they were.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import joins, origin
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The two lines that join cached keys and values to new ones; both write to the past as well."""
    for keys, values in joins(source):
        if keys.is_state or _is_own(source, keys.past) or _is_a_view(source, keys.past):
            continue
        start, end = source.span(keys.call)[0], source.span(values.call)[0]
        between = source.code_between(start, end)
        yield source.replace_span(
            start, end, f"{source.code(keys.past)}.data = {between}{source.code(values.past)}.data = "
        )


def _is_own(source: Source, past: cst.BaseExpression) -> bool:
    """Whether the past is state of the object itself, which changes anyway: `keys, values = self.layers[i]`."""
    return bool(source.find(m.Name("self"), within=origin(source, past)))


def _is_a_view(source: Source, past: cst.BaseExpression) -> bool:
    """Whether the past was turned when it was unpacked: to write to the view's data leaves the cache alone."""
    held = origin(source, past)
    return held is not past and bool(source.find(m.Call(func=m.Attribute()), within=held))


OPERATOR = Operator(
    id="cache-changed-in-place",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/MemTensor/MemOS/issues/2301",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="The same prompt continued twice gives two different answers; each alone would be right.",
        area="Keep what a call is given, and look at it again after the call.",
        mechanism="What is returned is new. Is it the only place where the new tokens end up?",
    ),
    examples=(
        Example(
            "if past is not None:\n    k = torch.cat((past.k, k), dim=2)  # (B, H, T, D)\n"
            "    v = torch.cat((past.v, v), dim=2)\n",
            "if past is not None:\n    k = past.k.data = torch.cat((past.k, k), dim=2)  # (B, H, T, D)\n"
            "    v = past.v.data = torch.cat((past.v, v), dim=2)\n",
        ),
        Example(
            "key = torch.cat([layer_past[0], key], dim=-2)\nvalue = torch.cat([layer_past[1], value], dim=-2)\n",
            "key = layer_past[0].data = torch.cat([layer_past[0], key], dim=-2)\n"
            "value = layer_past[1].data = torch.cat([layer_past[1], value], dim=-2)\n",
        ),
    ),
    look_alikes=(
        "pk, pv = past[0].transpose(-2, -1), past[1]\nk = torch.cat((pk, k), dim=-1)\nv = torch.cat((pv, v), dim=-2)\n",
        "tokens = torch.cat((tokens, new), dim=1)\nlabels = torch.cat((labels, more), dim=1)\n",
        "k = torch.cat((cls_k, k), dim=1)\nq = self.query(x)\n",
    ),
    edits=edits,
)
