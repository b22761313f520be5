"""Positions are counted along the batch: all tokens of a row share one, and each row has another.

## What it does
Counts the wrong axis of the tokens, and turns the result so that the shapes fit.

## Why it is wrong
The first axis is the batch. Which row a sequence happens to stand in says nothing about it, and where its tokens
stand within the sequence is what attention has no other way to know.

## Symptom
It trains, only worse, since the order of tokens is lost. The same sequence gets different logits in different rows of
a batch, and a batch larger than the position table raises an error.

## How to find it
Put the same sequence into a batch twice: both rows must have the same logits.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.comments import replace_uncommented
from mutations.roles.positions import counts
from mutations.roles.reads import leaves_nothing_unread
from mutations.roles.sizes import resolve
from mutations.source import Source

TIME = m.Integer(value="1")
METHOD = m.Call(func=m.Attribute(attr=m.Name("size")), args=[m.Arg(TIME)])
SHAPE = m.Subscript(value=m.Attribute(attr=m.Name("shape")), slice=[m.SubscriptElement(m.Index(TIME))])

SIZES = m.Call(func=m.Attribute(attr=m.Name("size")), args=[]) | m.Attribute(attr=m.Name("shape"))


def edits(source: Source) -> Iterator[Edit]:
    """Positions counted from zero to the length of the tokens: to the number of rows, as a column."""
    for count in counts(source):
        rows = _rows(source, count.stop)
        if rows is None or rows.startswith("_") or not count.from_zero or count.is_shaped:
            continue  # a size that is called `_` is not read
        if leaves_nothing_unread(source, count.stop, kept=[resolve(source, count.stop)]):
            column = source.replace_within(count.call, count.stop, rows).after + ".unsqueeze(1)"
            if isinstance(source.parent(count.call), cst.Assign):  # a comment would give the shape they had
                yield replace_uncommented(source, count.call, column)
            else:
                yield source.replace(count.call, column)


def _rows(source: Source, length: cst.BaseExpression) -> str | None:
    """The number of rows of the tensor that a length was read from."""
    size = resolve(source, length)
    if m.matches(size, METHOD | SHAPE):
        return source.replace_within(size, source.find(TIME, within=size)[-1], "0").after
    if not isinstance(length, cst.Name):
        return None
    for node in source.find(m.Assign(value=SIZES), within=source.scope(length)):
        target = cst.ensure_type(node, cst.Assign).targets[0].target
        if isinstance(target, cst.Tuple) and len(target.elements) > 1 and target.elements[1].value.deep_equals(length):
            return source.code(target.elements[0].value)
    return None


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def forward(self, tokens):
"""

OPERATOR = Operator(
    id="positions-count-rows-of-the-batch",
    category=Category.POSITION,
    file="model.py",
    origin="https://github.com/cmu-l3/anlp-fall2025-code/issues/1",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The same sequence is read differently depending on its neighbours in the batch.",
        area="Look at the shape of the positions before they are looked up.",
        mechanism="Write down the two axes of the tokens, and which of them the positions follow.",
    ),
    examples=(
        Example(
            INIT + "        T = tokens.size(1)\n        check(T)\n"
            "        return self.tok(tokens) + self.pos(torch.arange(T, device=tokens.device))  # (B, T, C)\n",
            INIT + "        T = tokens.size(1)\n        check(T)\n"
            "        return self.tok(tokens) + self.pos(torch.arange(tokens.size(0), device=tokens.device)"
            ".unsqueeze(1))  # (B, T, C)\n",
        ),
        Example(
            INIT + "        p = torch.arange(tokens.shape[1])  # (T,)\n        return self.tok(tokens) + self.pos(p)\n",
            INIT
            + "        p = torch.arange(tokens.shape[0]).unsqueeze(1)\n        return self.tok(tokens) + self.pos(p)\n",
        ),
        Example(
            INIT + "        p = torch.arange(0, tokens.size(1), dtype=torch.long)\n        return self.pos(p)\n",
            INIT
            + "        p = torch.arange(0, tokens.size(0), dtype=torch.long).unsqueeze(1)\n"
            + "        return self.pos(p)\n",
        ),
        Example(
            INIT + "        B, T = tokens.size()\n        check(B, T)\n        return self.pos(torch.arange(T))\n",
            INIT
            + "        B, T = tokens.size()\n        check(B, T)\n"
            + "        return self.pos(torch.arange(B).unsqueeze(1))\n",
        ),
    ),
    look_alikes=(
        INIT + "        _, T = tokens.shape\n        return self.tok(tokens) + self.pos(torch.arange(T))\n",
        INIT + "        B, T = tokens.shape\n        at = torch.arange(T)[None]\n"
        "        return self.tok(tokens) + self.pos(at), B\n",
        INIT + "        B, T = tokens.shape\n        at = torch.arange(T)\n        p = self.pos(at).unsqueeze(0)\n"
        "        return self.tok(tokens) + p, B\n",
        INIT + "        return self.tok(torch.arange(tokens.size(1)))\n",
        INIT + "        return self.pos(torch.arange(self.length))\n",
        INIT + "        T = tokens.size(1)\n        return self.pos(torch.arange(T))\n",
        INIT + "        return self.pos(torch.arange(tokens.size(1)).unsqueeze(0))\n",
        INIT + "        B, T = tokens.shape\n        p = torch.arange(T)\n"
        "        p = p.unsqueeze(0)\n        return self.pos(p)\n",
        INIT + "        p = torch.arange(tokens.size(1))\n        return self.pos(p.unsqueeze(0))\n",
    ),
    edits=edits,
)
