"""The new values are appended to the cached keys instead of to the cached values.

## What it does
Reads the keys of the cache where its values belong.

## Why it is wrong
Keys say where to look, values say what is found there; they come from two different maps. A token that looks back
finds the keys of the earlier tokens, which nothing after attention was trained to read.

## Symptom
Both have the same shape, so nothing complains. Training is untouched and so is the first chunk, when there is no cache
yet. Every later token is computed from a mixture of keys and values, and the mixture is what gets cached next.

## How to find it
Change the values in a cache: the next logits must move. Change its keys: they must move too, and in another way.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import joins
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """What the second line of a pair, the one for the values, takes from the cache."""
    for keys, values in joins(source):
        if leaves_nothing_unread(source, values.past, kept=[keys.past]):
            yield source.replace_within(values.call, values.past, source.code(keys.past))


OPERATOR = Operator(
    id="values-joined-to-cached-keys",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/vllm-project/vllm-ascend/pull/11021",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="The first chunk is decoded as it should be, and every later one is wrong.",
        area="Alter one half of what is cached, then the other, and see which of them the next logits depend on.",
        mechanism="Two lines that are nearly alike, one of them copied from its neighbour.",
    ),
    examples=(
        Example(
            "if past is not None:\n    k = torch.cat((past.k, k), dim=2)  # (B, H, T, D)\n"
            "    v = torch.cat((past.v, v), dim=2)\n",
            "if past is not None:\n    k = torch.cat((past.k, k), dim=2)  # (B, H, T, D)\n"
            "    v = torch.cat((past.k, v), dim=2)\n",
        ),
        Example(
            "key = torch.cat([layer_past[0], key], dim=-2)\nvalue = torch.cat([layer_past[1], value], dim=-2)\n",
            "key = torch.cat([layer_past[0], key], dim=-2)\nvalue = torch.cat([layer_past[0], value], dim=-2)\n",
        ),
        Example(
            "keys = torch.concat((cache['keys'], keys), 1)\nvalues = torch.concat((cache['values'], values), 1)\n",
            "keys = torch.concat((cache['keys'], keys), 1)\nvalues = torch.concat((cache['keys'], values), 1)\n",
        ),
    ),
    look_alikes=(
        "def f(past, k, v):\n    past_k, past_v = past\n"
        "    k = torch.cat((past_k, k), dim=2)\n    v = torch.cat((past_v, v), dim=2)\n    return k, v\n",
        "tokens = torch.cat((tokens, new), dim=1)\nlabels = torch.cat((labels, more), dim=1)\n",
        "k = torch.cat((past.k, k), dim=2)\nprint(k.shape)\nv = torch.cat((past.v, v), dim=2)\n",
    ),
    edits=edits,
)
