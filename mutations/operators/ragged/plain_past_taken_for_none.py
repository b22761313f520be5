"""A cache that names no lengths is taken for one whose rows are empty.

## What it does
Fills in zeros for the lengths of a cache that has none, instead of as many tokens as its keys have.

## Why it is wrong
A cache without lengths is one whose rows are all as long as its keys. Taken for empty, it is written over from the
left, and the new tokens start at the first position again.

## Symptom
With lengths from the first chunk on nothing shows. A prompt that was read plainly is forgotten as soon as a
chunk with lengths follows it.

## How to find it
Read a prompt without lengths, then a chunk with them, and compare with the same two chunks that both have lengths.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.ragged import rows
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

SHAPE = m.Arg(m.Tuple(), keyword=None, star="")
FULL = m.Call(
    func=m.Attribute(attr=m.Name("full") | m.Name("new_full")), args=[SHAPE, m.Arg(m.Name(), star=""), m.ZeroOrMore()]
)


def edits(source: Source) -> Iterator[Edit]:
    """Where each row's past is given one and the same length, in case there is none: `past = full((B,), n)`."""
    for found in rows(source):
        for node in source.find(m.Assign(targets=[m.AssignTarget(m.Name(found.past.value))], value=FULL)):
            length = cst.ensure_type(cst.ensure_type(node, cst.Assign).value, cst.Call).args[1].value
            if source.scope(node) is found.scope and leaves_nothing_unread(source, length):
                yield source.replace(length, "0")


READ = """\
def read(self, tokens, kept, seen, fresh):
    B, n = tokens.shape
    check(kept)
"""
REST = "    total = seen + fresh\n    return self.run(tokens, seen[:, None] + torch.arange(n)), total\n"

OPERATOR = Operator(
    id="plain-past-taken-for-none",
    category=Category.RAGGED,
    file="model.py",
    origin="https://github.com/vllm-project/vllm-metal/pull/144",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.RAGGED}),
    hints=Hints(
        symptom="A prompt is forgotten, but only if it was read in a certain way.",
        area="Look at what is assumed of a cache that does not say how long its rows are.",
        mechanism="Not to say how much there is, and to have nothing, are two things.",
    ),
    examples=(
        Example(
            READ + "    if seen is None:\n        seen = torch.full((B,), kept, device=tokens.device)\n" + REST,
            READ + "    if seen is None:\n        seen = torch.full((B,), 0, device=tokens.device)\n" + REST,
        ),
        Example(
            READ + "    if seen is None:\n        seen = tokens.new_full((B,), kept)  # (B,)\n" + REST,
            READ + "    if seen is None:\n        seen = tokens.new_full((B,), 0)  # (B,)\n" + REST,
        ),
    ),
    look_alikes=(
        READ + "    if fresh is None:\n        fresh = torch.full((B,), n)\n" + REST,
        READ + "    if seen is None:\n        seen = torch.full((B,), 0)\n" + REST,
        "def read(x, seen, kept):\n    seen = torch.full((2,), kept)\n    return seen[:, None] + torch.arange(kept)\n",
    ),
    edits=edits,
)
