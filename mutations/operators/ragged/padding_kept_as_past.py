"""Every row's past is taken to be as long as the longest row's, so that padding counts as text.

## What it does
Takes as many slots of the cache for a row's past as the longest row fills, and puts the new keys behind them.

## Why it is wrong
Behind the end of a shorter row there is padding, or whatever else was there. Taken for its past, it is attended to like
any token, and the row's new tokens are no longer next to its old ones.

## Symptom
Answers to the shorter prompts of a batch depend on what the batch was padded with, and on how long the longest prompt
is. Prompts of one length show nothing.

## How to find it
Read two prompts of different lengths together and go on, then do it again with another token as padding. Nothing may
change.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.ragged import COLUMN, row_lengths, rows
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Where slots are compared with each row's own past: `slot < past[:, None]`."""
    for found in rows(source):
        for node in source.find(m.Comparison(left=m.Name()), within=found.scope):
            for comparison in cst.ensure_type(node, cst.Comparison).comparisons:
                bound = comparison.comparator
                is_past = m.matches(bound, COLUMN) and row_lengths(bound).deep_equals(found.past)
                if is_past and isinstance(comparison.operator, cst.LessThan):
                    yield source.replace(bound, f"{found.past.value}.max()")


READ = """\
def order(self, slot, seen, fresh, n):
    total = seen + fresh
    check(total)
    positions = seen[:, None] + torch.arange(n)
"""

OPERATOR = Operator(
    id="padding-kept-as-past",
    category=Category.RAGGED,
    file="model.py",
    origin="https://github.com/Blaizzy/mlx-vlm/pull/1946",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.RAGGED}),
    hints=Hints(
        symptom="What a short prompt is answered depends on how long its neighbours in the batch are.",
        area="Look at which slots of the cache are taken for a row's past, and where its new keys are put.",
        mechanism="A slot belongs to the past of some rows and is padding in others. What decides, and for whom?",
    ),
    examples=(
        Example(
            READ + "    return torch.where(slot < seen[:, None], slot, slot + n), positions\n",
            READ + "    return torch.where(slot < seen.max(), slot, slot + n), positions\n",
        ),
        Example(
            READ + "    is_old = slot < seen.unsqueeze(-1)  # (B, T)\n    return is_old, positions\n",
            READ + "    is_old = slot < seen.max()  # (B, T)\n    return is_old, positions\n",
        ),
    ),
    look_alikes=(
        READ + "    return slot < fresh[:, None], positions\n",
        READ + "    return slot >= seen[:, None], positions\n",
        "def order(slot, seen):\n    return slot < seen[:, None]\n",
    ),
    edits=edits,
)
