"""No check looks whether the heads divide the width.

## What it does
Deletes the check that the width can be dealt out to the heads in equal parts.

## Why it is wrong
The width of a head is a whole-number quotient. Where there is a remainder the quotient is rounded down without a word,
and the heads together are narrower than the model.

## Symptom
None for sizes that fit. For others the model is built, parameters and all, and could be saved and loaded. Only
its first forward pass fails, with a message about the shape of some tensor that names neither of the two sizes.

## How to find it
Build a model that the contract forbids, without running it. The error has to come then, and has to say which
two numbers do not go together.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

REMAINDER = m.BinaryOperation(operator=m.Modulo())
ZERO = m.Integer("0")
REFUSAL = m.If(
    test=REMAINDER | m.Comparison(left=REMAINDER, comparisons=[m.ComparisonTarget(m.NotEqual(), ZERO)]),
    body=m.IndentedBlock(body=[m.SimpleStatementLine(body=[m.Raise()])]),
    orelse=None,
)
REQUIREMENT = m.SimpleStatementLine(
    body=[m.Assert(test=m.Comparison(left=REMAINDER, comparisons=[m.ComparisonTarget(m.Equal(), ZERO)]))]
)


def edits(source: Source) -> Iterator[Edit]:
    """Statements that do nothing but refuse a remainder by the number of heads."""
    for node in source.find(REFUSAL | REQUIREMENT):
        remainder = cst.ensure_type(source.find(REMAINDER, within=node)[0], cst.BinaryOperation)
        by_heads = "head" in source.code(remainder.right).lower() and "head" not in source.code(remainder.left).lower()
        if by_heads and len(source.siblings(node)) > 1 and leaves_nothing_unread(source, node):
            yield source.remove(node)


START = """\
class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
"""
REST = """\
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
"""

OPERATOR = Operator(
    id="remainder-of-the-width-unchecked",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/yandexdataschool/nlp_course/pull/131",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="Some configurations that make no sense are accepted, and fail much later in words that do not help.",
        area="Look at what a constructor does before it makes its first layer. What must it never accept?",
        mechanism="Seven channels cannot be dealt out to two in equal parts. Who says so here?",
    ),
    examples=(
        Example(
            START + "        assert config.n_embd % config.n_head == 0\n" + REST,
            START + REST,
        ),
        Example(
            START + "        # equal parts\n        if config.n_embd % config.n_head != 0:\n"
            "            raise ValueError(config.n_embd)\n\n" + REST,
            START + "\n" + REST,
        ),
        Example(
            "def build(width, heads):\n    if width % heads:\n        raise ValueError(f'{width} {heads}')\n"
            "    return Attention(width, heads)\n",
            "def build(width, heads):\n    return Attention(width, heads)\n",
        ),
    ),
    look_alikes=(
        START + "        if config.n_embd % config.n_head != 0:\n            config.n_embd += 1\n" + REST,
        START + "        assert config.n_embd % 2 == 0\n" + REST,
        START + "        assert config.n_heads % config.n_kv_heads == 0\n" + REST,
        "def f(width, heads, total):\n    if total % heads:\n        raise ValueError(width)\n    return g(width)\n",
        "def check(width, heads):\n    assert width % heads == 0\n",
    ),
    edits=edits,
)
