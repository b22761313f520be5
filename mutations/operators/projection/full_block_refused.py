"""A sequence that fills the whole context is refused.

## What it does
Counts the longest length that there is room for among those that are too long.

## Why it is wrong
The table has a row for every position of the longest sequence. The last row can never be used: no sequence that reaches
it gets past the check, so the model has one position less than its configuration says, and pays for all of them.

## Symptom
Everything works until a sequence has exactly the longest length, as every batch does when the data is cut into full
blocks. Then there is an error that contradicts itself: it says that some number exceeds the same number.

## How to find it
Try the lengths around the limit one by one: one less, the limit itself, one more. Only the last may be refused.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.limits import guards
from mutations.source import Source

TOO_LONG = {cst.GreaterThan: ">=", cst.LessThan: "<="}  # with the limit on the right, and on the left
SHORT_ENOUGH = {cst.LessThanEqual: "<", cst.GreaterThanEqual: ">"}


def edits(source: Source) -> Iterator[Edit]:
    """Comparisons of a length with the number of positions that decide between an error and none."""
    for guard in guards(source):
        comparison = guard.test.comparisons[0]
        operators = list((TOO_LONG if guard.refuses else SHORT_ENOUGH).items())
        expected, after = operators[1 if guard.limit_first else 0]
        if isinstance(comparison.operator, expected):
            left, right = source.code(guard.test.left), source.code(comparison.comparator)
            yield source.replace(guard.test, f"{left} {after} {right}")


MODEL = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.config = config
        self.tok = nn.Embedding(config.vocab_size, config.n_embd)
        self.pos = nn.Embedding(config.block_size, config.n_embd)

    def forward(self, tokens):
        T = tokens.size(1)
"""
REST = "        return self.run(tokens, torch.arange(T))\n"
LONG = "            raise ValueError(f'{T} tokens')\n"

OPERATOR = Operator(
    id="full-block-refused",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/pytorch/torchtitan/pull/4268",
    story=__doc__,
    visibility=Visibility.CRASH,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Short sequences are fine. One length raises an error whose message makes no sense.",
        area="Look at what a model does before it computes anything, and try the longest sequence it promises to take.",
        mechanism="Count the places in the table, and count the tokens that are let in. The numbers should agree.",
    ),
    examples=(
        Example(
            MODEL + "        if T > self.config.block_size:\n" + LONG + REST,
            MODEL + "        if T >= self.config.block_size:\n" + LONG + REST,
        ),
        Example(
            MODEL + "        assert T <= self.config.block_size, 'too long'  # no position left\n" + REST,
            MODEL + "        assert T < self.config.block_size, 'too long'  # no position left\n" + REST,
        ),
        Example(
            MODEL + "        limit = self.config.block_size\n        if limit < T:\n" + LONG + REST,
            MODEL + "        limit = self.config.block_size\n        if limit <= T:\n" + LONG + REST,
        ),
    ),
    look_alikes=(
        MODEL
        + "        if T > self.config.block_size:\n            tokens = tokens[:, -self.config.block_size:]\n"
        + REST,
        MODEL + "        if T > self.config.n_embd:\n" + LONG + REST,
        MODEL + "        assert T < self.config.block_size\n" + REST,
        "def forward(tokens, block_size):\n    if tokens.size(1) > block_size:\n        raise ValueError('long')\n",
    ),
    edits=edits,
)
