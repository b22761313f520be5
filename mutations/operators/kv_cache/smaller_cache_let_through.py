"""A cache of fewer rows than the tokens have is let through.

## What it does
Refuses a cache that has more rows than the batch, where any other number of rows must be refused.

## Why it is wrong
Each row of a batch continues its own row of the cache. With fewer rows in the cache than in the batch there is nothing
that the others could continue.

## Symptom
None as long as callers make no mistake. When one does, it no longer learns which of its two sizes is wrong: a
concatenation fails inside the first layer, with another kind of error than the one that was promised.

## How to find it
Decode a prompt with one row and continue it with two, then the other way round. Both must be refused,
in the same words.
"""

import re
from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import is_optional, origin
from mutations.source import Source

KEPT = re.compile("cache|past|kv|prev|state", re.IGNORECASE)
UNEQUAL = m.Comparison(comparisons=[m.ComparisonTarget(m.NotEqual())])
REFUSAL = m.If(test=UNEQUAL, body=m.IndentedBlock(body=[m.SimpleStatementLine(body=[m.Raise()])]))


def edits(source: Source) -> Iterator[Edit]:
    """Refusals of a size that is read off a cache and differs from one that is read off the tokens."""
    for node in source.find(REFUSAL):
        test = cst.ensure_type(cst.ensure_type(node, cst.If).test, cst.Comparison)
        left, right = test.left, test.comparisons[0].comparator
        kept = is_optional(source, left)
        if kept != is_optional(source, right) and KEPT.search(source.code(origin(source, left if kept else right))):
            yield source.replace(test, f"{source.code(left)} {'>' if kept else '<'} {source.code(right)}")


READ = """\
def read(tokens, cache=None):
    B, T = tokens.shape
"""

OPERATOR = Operator(
    id="smaller-cache-let-through",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/waybarrios/vllm-mlx/pull/401",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="Some mistakes of a caller are answered with a clear error, others break far inside the model.",
        area="Hand incremental decoding a cache that does not belong to the batch, in more than one way.",
        mechanism="There are two ways for two numbers to differ.",
    ),
    examples=(
        Example(
            READ + "    if cache is not None:\n        rows, _, past, _ = cache.layers[0].k.shape\n"
            "        if rows != B:\n            raise ValueError(f'{rows} rows')\n    return run(tokens)\n",
            READ + "    if cache is not None:\n        rows, _, past, _ = cache.layers[0].k.shape\n"
            "        if rows > B:\n            raise ValueError(f'{rows} rows')\n    return run(tokens)\n",
        ),
        Example(
            READ + "    if B != cache[0][0].size(0):  # rows\n        raise ValueError('rows')\n",
            READ + "    if B < cache[0][0].size(0):  # rows\n        raise ValueError('rows')\n",
        ),
    ),
    look_alikes=(
        READ + "    if B != T:\n        raise ValueError('not square')\n",
        READ + "    if cache.size(0) != B:\n        cache = None\n",
        "def read(tokens, cache):\n    if cache.size(0) != tokens.size(0):\n        raise ValueError('rows')\n",
    ),
    edits=edits,
)
