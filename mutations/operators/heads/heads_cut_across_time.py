"""Heads are cut out of the sequence instead of out of each token's vector.

## What it does
Reshapes (B, T, C) straight to (B, H, T, D). The shape is the one that attention wants, so the swap of axes after the
reshape looks superfluous and is gone.

## Why it is wrong
A reshape keeps the order in memory. Head 0 gets the whole vectors of the first T / H tokens and calls the pieces
positions; head 1 gets the next tokens, and so on. No head sees all of the sequence, and the mask hides positions that
are not the ones it thinks of.

## Symptom
Nothing raises, the loss falls, and a run with one head is not changed by a single bit. With more heads the logits of
an early token depend on later ones.

## How to find it
Cut a tensor that holds its own indices and look at one head: it should hold a piece of every token. Or compute one head
by hand, from its own rows of the weights, and compare.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.heads import Split, receiver, splits
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Views that end with the time axis before the head axis, and the swap that follows them."""
    for split in splits(source):
        _, T, H, _ = split.sizes
        (start, _), (_, end) = source.span(split.whole), source.span(split.cut)
        method_start, method_end = source.span(cst.ensure_type(split.cut.func, cst.Attribute).attr)
        (T_start, T_end), (H_start, H_end) = source.span(T), source.span(H)
        method = "reshape" if _is_strided(source, split) else source.code_between(method_start, method_end)
        after = (
            source.code_between(start, method_start)
            + method
            + source.code_between(method_end, T_start)
            + source.code(H)
            + source.code_between(T_end, H_start)
            + source.code(T)
            + source.code_between(H_end, end)
        )
        yield source.replace(split.whole, after)


def _is_strided(source: Source, split: Split) -> bool:
    """Whether the heads are cut from a part of a larger tensor: a view across its rows would raise."""
    name = receiver(split.cut)
    if not isinstance(name, cst.Name):
        return False
    part = m.Assign(
        targets=[m.AssignTarget(m.Tuple(elements=[m.ZeroOrMore(), m.Element(m.Name(name.value)), m.ZeroOrMore()]))],
        value=m.Call(func=m.Attribute(attr=m.Name("split") | m.Name("chunk") | m.Name("unbind"))),
    )
    return bool(source.find(part, within=source.scope(split.whole)))


OPERATOR = Operator(
    id="heads-cut-across-time",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/reczoo/FuxiCTR/issues/30",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="As soon as there are several heads, an early token's scores move when only a later token was changed.",
        area="Look at how the width of a token is dealt out among the heads.",
        mechanism="Fill a small tensor with its own positions, cut it as the code does, and read what the first head "
        "was given: a part of every token, or every part of some?",
    ),
    examples=(
        Example(
            "q = q.view(B, T, H, C // H).transpose(1, 2)  # (B, H, T, D)\n",
            "q = q.view(B, H, T, C // H)  # (B, H, T, D)\n",
        ),
        Example(
            "q, k, v = self.c_attn(x).split(C, dim=2)\nk = k.view(B, T, H, D).transpose(1, 2)\n",
            "q, k, v = self.c_attn(x).split(C, dim=2)\nk = k.reshape(B, H, T, D)\n",
        ),
        Example(
            "k = self.key(x).reshape(batch, -1, self.n_heads, self.head_dim).permute(0, 2, 1, 3)\n",
            "k = self.key(x).reshape(batch, self.n_heads, -1, self.head_dim)\n",
        ),
        Example(
            "def cut(self, x):\n    B, T, C = x.shape\n    return x.view(\n        B, T, self.heads, C // self.heads\n"
            "    ).transpose(1, 2)\n",
            "def cut(self, x):\n    B, T, C = x.shape\n    return x.view(\n        B, self.heads, T, C // self.heads\n"
            "    )\n",
        ),
    ),
    look_alikes=(
        "q = q.view(B, T, H, D)\n",
        "q = q.view(B * T, H, D).transpose(1, 2)\n",
        "q = q.view(B, T, H, D).transpose(2, 3)\n",
        "y = y.transpose(1, 2).reshape(B, T, H, D)\n",
    ),
    edits=edits,
)
