"""The cache says how long the last chunk was in each row, not how long the rows are.

## What it does
Hands on the number of new tokens of each row where the number of all its tokens belongs.

## Why it is wrong
To the next call the lengths in the cache are all that says where a row ends. With too few, it takes the row's own
tokens for room to write in, and gives the new ones positions that are taken.

## Symptom
The first chunk is right, and so is the second, since until then there was only one to count. From the third on the
beginning of the conversation is forgotten.

## How to find it
Look at the lengths in the cache after two chunks. Then read three, and compare each row with what it gives alone.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.ragged import handed_on, rows
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Where the sum of old and new lengths is returned."""
    for found in rows(source):
        for total in handed_on(source, found):
            if leaves_nothing_unread(source, total):
                yield source.replace(total, found.new.value)


READ = """\
def read(self, tokens, seen, fresh):
    total = seen + fresh
    check(total)
    kv = self.run(tokens, seen[:, None] + torch.arange(tokens.size(1)))
"""

OPERATOR = Operator(
    id="lengths-of-the-last-chunk-alone",
    category=Category.RAGGED,
    file="model.py",
    origin="https://github.com/sgl-project/sgl-kernel-xpu/pull/191",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.RAGGED}),
    hints=Hints(
        symptom="Two chunks are decoded as they should be; with the third, every row has lost its beginning.",
        area="Look at what one call tells the next about where the rows end.",
        mechanism="There are two numbers for each row, one of this call and one of all calls. Which is passed on?",
    ),
    examples=(
        Example(READ + "    return KVCache(kv, total)\n", READ + "    return KVCache(kv, fresh)\n"),
        Example(
            READ + "    return kv, Cache(kv, lengths=total)  # grown\n",
            READ + "    return kv, Cache(kv, lengths=fresh)  # grown\n",
        ),
        Example(READ + "    return (kv, total)\n", READ + "    return (kv, fresh)\n"),
    ),
    look_alikes=(
        READ + "    return KVCache(kv, fresh)\n",
        READ + "    return log(total.max()), kv\n",
        "def read(self, tokens, seen, fresh):\n    total = seen + fresh\n    check(total)\n    return KVCache(total)\n",
    ),
    edits=edits,
)
