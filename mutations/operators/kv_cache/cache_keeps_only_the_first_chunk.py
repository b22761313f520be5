"""The cache never grows: after the first chunk it returns what it was given.

## What it does
Returns the past as the new cache wherever there is a past, and the keys and values only when the cache is started.

## Why it is wrong
The cache must hold every token read so far. Here each new token sees the prompt and its own chunk, and none of what
came between; its position is counted from a cache that stays as long as the prompt.

## Symptom
The first token after the prompt is right, the second no longer is: it stands where the first stood and does not know of
it. Generation falls into a loop. Memory does not grow, which looks like good news.

## How to find it
After each chunk look at the length of the cache: it must have grown by the length of the chunk.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import joins, past_of
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Where joined keys and values become what is cached next: `Cache(k, v)` or `(k, v)`."""
    for keys, values in joins(source):
        past = past_of(keys)
        if past is None:
            continue
        names = [m.Name(keys.new.value), m.Name(values.new.value)]
        call = m.Call(args=[m.Arg(name, keyword=None, star="") for name in names])
        pair = m.Tuple(elements=[m.Element(name) for name in names], lpar=[m.LeftParen()])
        for node in source.find(call | pair, within=source.scope(keys.line)):
            if source.span(node) > source.span(values.line) and _is_result(source, node):
                start, end = source.span(node)
                if isinstance(node, cst.Tuple):  # its span leaves out the parentheses
                    start, end = start - 1, end + 1
                yield source.replace_span(start, end, f"{past.value} or {source.code_between(start, end)}")


def _is_result(source: Source, node: cst.CSTNode) -> bool:
    """Whether a value is returned or given a name, by itself or as one of several."""
    parent = source.parent(node)
    if isinstance(parent, cst.Element):
        parent = source.parent(source.parent(parent))
    return isinstance(parent, cst.Return | cst.Assign)


READ = """\
def read(q, k, v, past=None):
    if past is not None:
        k = torch.cat((past.k, k), dim=2)
        v = torch.cat((past.v, v), dim=2)
"""

OPERATOR = Operator(
    id="cache-keeps-only-the-first-chunk",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/huggingface/transformers/issues/37269",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="Two chunks are decoded as they should be. With the third, something from between is missing.",
        area="Look at what one layer hands to its next call, and how much of it there is each time.",
        mechanism="What is computed for the next call is one thing, what is passed to it another, once it is not new.",
    ),
    examples=(
        Example(
            READ + "    return attend(q, k, v), LayerKV(k, v)  # grown\n",
            READ + "    return attend(q, k, v), past or LayerKV(k, v)  # grown\n",
        ),
        Example(
            READ + "    present = (k, v)\n    return attend(q, k, v), present\n",
            READ + "    present = past or (k, v)\n    return attend(q, k, v), present\n",
        ),
        Example(
            "def read(q, key, value, layer_past=None):\n    if layer_past:\n"
            "        key = torch.cat([layer_past[0], key], dim=-2)\n"
            "        value = torch.cat([layer_past[1], value], dim=-2)\n"
            "    return (key, value), attend(q, key, value)\n",
            "def read(q, key, value, layer_past=None):\n    if layer_past:\n"
            "        key = torch.cat([layer_past[0], key], dim=-2)\n"
            "        value = torch.cat([layer_past[1], value], dim=-2)\n"
            "    return layer_past or (key, value), attend(q, key, value)\n",
        ),
    ),
    look_alikes=(
        READ + "    return attend(q, k, v)\n",
        "def read(k, v, past):\n    log(k, v)\n    return LayerKV(k, v)\n",
        READ + "    log(k, v)\n    return q\n",
    ),
    edits=edits,
)
