"""The new tokens of every row are given the positions that follow the longest row.

## What it does
Counts positions from the largest number of tokens that any row has, instead of from each row's own.

## Why it is wrong
A token stands where its own text has got to, whatever else is in the batch. Counted from the longest row, the tokens of
all others stand too far to the right, with a gap behind them, and what is masked by position is wrong with them.

## Symptom
The longest row of a batch is answered as it would be alone. All others get worse the shorter they are, and in a batch
of prompts of one length, as most tests have it, there is nothing to see.

## How to find it
Read two prompts of different lengths together, then one token more, and compare its logits with those of the shorter
prompt alone.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.ragged import row_lengths, rows
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Where positions are counted from the end of each row's past."""
    for found in rows(source):
        past = row_lengths(found.start)
        yield source.replace(past, f"{past.value}.max().expand_as({past.value})")


READ = """\
def read(self, tokens, seen, fresh):
    total = seen + fresh
    check(total)
"""

OPERATOR = Operator(
    id="positions-counted-from-the-longest-row",
    category=Category.RAGGED,
    file="model.py",
    origin="https://github.com/rasbt/reasoning-from-scratch/issues/33",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.RAGGED}),
    hints=Hints(
        symptom="Of the prompts in a batch one is continued well, always the one with the most tokens.",
        area="Look at where the new tokens of each row are said to stand.",
        mechanism="A batch has as many places where texts have got to as it has rows. How many are used here?",
    ),
    examples=(
        Example(
            READ + "    return seen[:, None] + torch.arange(tokens.size(1))  # (B, T_new)\n",
            READ + "    return seen.max().expand_as(seen)[:, None] + torch.arange(tokens.size(1))  # (B, T_new)\n",
        ),
        Example(
            READ + "    steps = torch.arange(tokens.size(1), device=tokens.device) + seen.unsqueeze(1)\n"
            "    return self.pos(steps)\n",
            READ + "    steps = torch.arange(tokens.size(1), device=tokens.device)"
            " + seen.max().expand_as(seen).unsqueeze(1)\n    return self.pos(steps)\n",
        ),
    ),
    look_alikes=(
        READ + "    return seen + torch.arange(tokens.size(1))\n",
        READ + "    return seen[:, None] - torch.arange(tokens.size(1))\n",
        "def batch(data, starts, n):\n    return data[starts[:, None] + torch.arange(n)]\n",
    ),
    edits=edits,
)
