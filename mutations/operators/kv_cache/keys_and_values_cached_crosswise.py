"""Keys are written where values are kept, and values where keys are.

## What it does
Exchanges what two lines write into a cache that lives in buffers, or the two things that a cache object is given.

## Why it is wrong
What comes out of the cache under the name of keys is then compared with queries, and was never made for it.

## Symptom
Text that is generated is nonsense from the first token on. Without a cache, as in training, all may be right.

## How to find it
Read a text in one go, and token by token with the cache: the logits must be the same.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.source import Source

WRITE = m.SimpleStatementLine(
    body=[m.Assign(targets=[m.AssignTarget(m.Subscript())], value=m.Name() | m.Subscript() | m.Call())]
)
KEYS_AND_VALUES = (("k", "v"), ("key", "value"), ("keys", "values"))


def edits(source: Source) -> Iterator[Edit]:
    """Writes into a buffer of keys and right below into one of values; and updates of a cache by two names."""
    for node in source.find(WRITE):
        siblings = list(source.siblings(node))
        after = siblings[siblings.index(node) + 1 :][:1]
        if after and m.matches(after[0], WRITE):
            keys, values = _written(node), _written(after[0])
            buffers = [cst.ensure_type(each.targets[0].target, cst.Subscript).value for each in (keys, values)]
            reads_itself = any(source.code(buffer) in source.code(values.value) for buffer in buffers)
            if _are_alike(source, keys.targets[0].target, values.targets[0].target) and not reads_itself:
                yield _exchanged(source, keys.value, values.value)
    for node in source.find(m.Call(func=m.Attribute(attr=m.Name("update")))):
        given = [arg.value for arg in cst.ensure_type(node, cst.Call).args if arg.keyword is None]
        pairs = [(first, second) for first, second in pairwise(given) if _are_alike(source, first, second)]
        if len(pairs) == 1 and all(isinstance(each, cst.Name) for each in pairs[0]):
            yield _exchanged(source, *pairs[0])


def _written(line: cst.CSTNode) -> cst.Assign:
    return cst.ensure_type(cst.ensure_type(line, cst.SimpleStatementLine).body[0], cst.Assign)


def _are_alike(source: Source, keys: cst.BaseExpression, values: cst.BaseExpression) -> bool:
    """Whether two expressions differ in one word alone, the first saying keys and the second values."""
    first, second = (re.split(r"(\W+|_)", source.code(each)) for each in (keys, values))
    differ = [pair for pair in zip(first, second, strict=False) if pair[0] != pair[1]]
    return len(first) == len(second) and bool(differ) and all(_name_a_pair(*pair) for pair in differ)


def _name_a_pair(first: str, second: str) -> bool:
    return any(
        first.endswith(key) and second.endswith(value) and first.removesuffix(key) == second.removesuffix(value)
        for key, value in KEYS_AND_VALUES
    )


def _exchanged(source: Source, first: cst.BaseExpression, second: cst.BaseExpression) -> Edit:
    (start, middle), (middle_end, end) = source.span(first), source.span(second)
    between = source.code_between(middle, middle_end)
    return source.replace_span(start, end, source.code(second) + between + source.code(first))


OPERATOR = Operator(
    id="keys-and-values-cached-crosswise",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/tenstorrent/tt-mlir/issues/8958",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="Without what it remembers the model is right; with it, it talks nonsense.",
        area="Put one token in, and look at what is kept of it, and where.",
        mechanism="Two things go in and two come out, and they look alike.",
    ),
    examples=(
        Example(
            "self.k_cache[:, :, pos] = k\nself.v_cache[:, :, pos] = v\n",
            "self.k_cache[:, :, pos] = v\nself.v_cache[:, :, pos] = k\n",
        ),
        Example(
            "self.cache_k[:B, start : start + T] = xk  # (B, T, H, D)\nself.cache_v[:B, start : start + T] = xv\n",
            "self.cache_k[:B, start : start + T] = xv  # (B, T, H, D)\nself.cache_v[:B, start : start + T] = xk\n",
        ),
        Example(
            "key_states, value_states = past.update(key_states, value_states, self.layer_idx)\n",
            "key_states, value_states = past.update(value_states, key_states, self.layer_idx)\n",
        ),
        Example(
            "k, v = self.kv_cache.update(input_pos, k, v)\n",
            "k, v = self.kv_cache.update(input_pos, v, k)\n",
        ),
    ),
    look_alikes=(
        "self.keys[i] = torch.cat([self.keys[i], k])\nself.values[i] = torch.cat([self.values[i], v])\n",
        "tokens[:, 0] = a\ntokens[:, 1] = b\n",
        "settings.update(a, b)\n",
        "k, v = cache.update(v, k)\n",
    ),
    edits=edits,
)
