"""What was cached is put after the new keys and values instead of before them.

## What it does
Swaps the two parts in both concatenations, so that the new tokens come first and the past comes after them.

## Why it is wrong
The mask counts columns from the left: the past, then the new tokens. With the parts swapped it opens the columns of the
new tokens to everyone and hides a part of the past, and the order that is cached is no longer that of the text.

## Symptom
None when tokens are fed one at a time, since one new token may see every column and a softmax does not care for their
order. As soon as a chunk of several tokens follows another, its first tokens see what comes after them.

## How to find it
Read a text in chunks of several tokens and compare the logits with those of the forward pass. Compare the cache with
that of one big chunk, position by position.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import Join, joins
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The two lines that join cached keys and values to new ones, both turned round."""
    for keys, values in joins(source):
        (start, _), (_, end) = source.span(keys.call), source.span(values.call)
        between = source.code_between(source.span(keys.call)[1], source.span(values.call)[0])
        yield source.replace_span(start, end, _turned(source, keys) + between + _turned(source, values))


def _turned(source: Source, join: Join) -> str:
    pair = join.call.args[0].value
    assert isinstance(pair, cst.Tuple | cst.List)
    old, new = (element.value for element in pair.elements)
    start, end = source.span(join.call)
    (old_start, old_end), (new_start, new_end) = source.span(old), source.span(new)
    parts = ((start, old_start), (new_start, new_end), (old_end, new_start), (old_start, old_end), (new_end, end))
    return "".join(source.code_between(*part) for part in parts)


OPERATOR = Operator(
    id="cached-tokens-come-last",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/kyutai-labs/moshi/issues/241",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="Decoding token by token is right, and so is one big chunk; two chunks of several tokens are not.",
        area="Look at what attention is given as keys and values, and at the order in which it is given.",
        mechanism="The mask takes it for granted that the text is laid out from left to right. Is it?",
    ),
    examples=(
        Example(
            "if past is not None:\n    k = torch.cat((past.k, k), dim=2)  # (B, H, T, D)\n"
            "    v = torch.cat((past.v, v), dim=2)\n",
            "if past is not None:\n    k = torch.cat((k, past.k), dim=2)  # (B, H, T, D)\n"
            "    v = torch.cat((v, past.v), dim=2)\n",
        ),
        Example(
            "key = torch.cat([layer_past[0], key], dim=-2)\nvalue = torch.cat([layer_past[1], value], dim=-2)\n",
            "key = torch.cat([key, layer_past[0]], dim=-2)\nvalue = torch.cat([value, layer_past[1]], dim=-2)\n",
        ),
        Example(
            "self.keys[i] = torch.cat((self.keys[i], k), dim=2)\n"
            "self.values[i] = torch.cat((self.values[i], v), dim=2)\n",
            "self.keys[i] = torch.cat((k, self.keys[i]), dim=2)\n"
            "self.values[i] = torch.cat((v, self.values[i]), dim=2)\n",
        ),
        Example(
            "past_k, past_v = past\nk = torch.cat((past_k, k), 1)\nv = torch.cat((past_v, v), 1)\n",
            "past_k, past_v = past\nk = torch.cat((k, past_k), 1)\nv = torch.cat((v, past_v), 1)\n",
        ),
    ),
    look_alikes=(
        "tokens = torch.cat((tokens, new), dim=1)\nlabels = torch.cat((labels, more), dim=1)\n",
        "x = torch.cat((cls_token, x), dim=1)\n",
        "k = torch.cat((a, b, k), dim=2)\nv = torch.cat((a, b, v), dim=2)\n",
    ),
    edits=edits,
)
