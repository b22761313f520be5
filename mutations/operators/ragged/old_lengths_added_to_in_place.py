"""What a row has read is added to the lengths of the cache that was passed in, in place.

## What it does
Adds the new lengths to the tensor of the old ones, and hands that on.

## Why it is wrong
The old cache still holds that tensor. Its keys and values are as they were, but it now says that there are more of
them: a second continuation of it goes on from somewhere else.

## Symptom
None as long as each cache is continued once. The second of two continuations, a retry, a beam, a shared prompt, has a
gap of padding in its past.

## How to find it
Keep a cache, continue it, and look at its lengths again. Then continue it in the same way once more: the logits must be
the same bits.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.ragged import handed_on, rows
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Where the sum of old and new lengths is returned, once it has been used for everything else."""
    for found in rows(source):
        for total in handed_on(source, found):
            if leaves_nothing_unread(source, total):
                yield source.replace(total, f"{found.past.value}.add_({found.new.value})")


READ = """\
def read(self, tokens, seen, fresh):
    total = seen + fresh
    check(total)
    kv = self.run(tokens, torch.arange(tokens.size(1)) + seen.unsqueeze(1))
"""

OPERATOR = Operator(
    id="old-lengths-added-to-in-place",
    category=Category.RAGGED,
    file="model.py",
    origin="https://github.com/jjang-ai/vmlx/issues/198",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.RAGGED}),
    hints=Hints(
        symptom="A cache that was continued once gives another answer when it is continued in the same way again.",
        area="Print all that a cache holds before it is continued and after, the smallest tensors too.",
        mechanism="Two caches that should be strangers hold one and the same object. Find out who changes it.",
    ),
    examples=(
        Example(READ + "    return KVCache(kv, total)\n", READ + "    return KVCache(kv, seen.add_(fresh))\n"),
        Example(
            READ + "    return kv, Cache(kv, lengths=total)  # grown\n",
            READ + "    return kv, Cache(kv, lengths=seen.add_(fresh))  # grown\n",
        ),
    ),
    look_alikes=(
        READ + "    return KVCache(kv, seen)\n",
        READ + "    return kv\n",
        "def read(self, tokens, seen, fresh):\n    total = seen + fresh\n    check(total)\n    return KVCache(total)\n",
    ),
    edits=edits,
)
