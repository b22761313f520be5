"""With a cache, new tokens are rotated as if they stood at the beginning.

## What it does
Takes the first rows of the table of rotations, where it should take those from the position of the first new token on.

## Why it is wrong
Rotations make scores depend on how far apart two tokens are. A new token at position 0 is as far from the cached ones
as if it had come before them.

## Symptom
In one go all is right, and so is the first chunk. From the second chunk on the text falls apart.

## How to find it
Read a text in one go and in two chunks: the logits of the second chunk must be the same.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.joining import joined
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

ROTATIONS = m.MatchRegex(r".*(freqs|cos|sin|cis|rope|rot(ary)?|angles).*")
NAMED = m.Name(ROTATIONS) | m.Attribute(attr=m.Name(ROTATIONS))
WINDOW = m.Slice(lower=m.Name(), upper=m.BinaryOperation(left=m.Name(), operator=m.Add(), right=m.Name()), step=None)


def edits(source: Source) -> Iterator[Edit]:
    """Slices of a table of rotations from the first new position on, by as many rows as there are new tokens.

    Where cosines and sines have a table each, both are read from the beginning.
    """
    found: dict[cst.CSTNode, list[Edit]] = {}
    for node in source.find(m.Subscript(value=NAMED, slice=[m.SubscriptElement(WINDOW), m.ZeroOrMore()])):
        window = cst.ensure_type(cst.ensure_type(node, cst.Subscript).slice[0].slice, cst.Slice)
        lower, upper = window.lower, cst.ensure_type(window.upper, cst.BinaryOperation)
        for start, length in ((upper.left, upper.right), (upper.right, upper.left)):
            if lower is not None and start.deep_equals(lower) and leaves_nothing_unread(source, window, kept=[length]):
                found.setdefault(source.scope(node), []).append(source.replace(window, f":{source.code(length)}"))
    for together in found.values():
        yield joined(source, together)


OPERATOR = Operator(
    id="rotation-restarts-with-each-chunk",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/pytorch/executorch/pull/2010",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="A text that is read in one go is understood; read in two parts, the second is not.",
        area="Compare what a token is given to know about its place, in one go and in two.",
        mechanism="Where does the second part begin, and who knows it?",
    ),
    examples=(
        Example(
            "def forward(self, tokens, start_pos):\n"
            "    T = tokens.shape[1]\n"
            "    freqs = self.freqs_cis[start_pos : start_pos + T]\n"
            "    return self.read(tokens, start_pos, freqs)\n",
            "def forward(self, tokens, start_pos):\n"
            "    T = tokens.shape[1]\n"
            "    freqs = self.freqs_cis[:T]\n"
            "    return self.read(tokens, start_pos, freqs)\n",
        ),
        Example(
            "def turn(x, cos, sin, past, n):\n    cos = cos[past : past + n, :]\n    sin = sin[past : past + n, :]\n"
            "    return x * cos, x * sin, past\n",
            "def turn(x, cos, sin, past, n):\n    cos = cos[:n, :]\n    sin = sin[:n, :]\n"
            "    return x * cos, x * sin, past\n",
        ),
        Example(
            "def rotate(self, x, past, n):\n    cos = self.cos[past:past + n]\n    return x * cos, past\n",
            "def rotate(self, x, past, n):\n    cos = self.cos[:n]\n    return x * cos, past\n",
        ),
    ),
    look_alikes=(
        "freqs = self.freqs_cis[:T]\n",
        "tokens = text[start : start + T]\n",
        "cos = self.cos[start:end]\n",
    ),
    edits=edits,
)
