"""With a cache the new tokens get the mask of the first tokens of the text.

## What it does
Cuts the causal mask from its top left corner instead of from its last rows: as many rows as there are new tokens, but
those that belong to positions 0, 1, 2 and so on.

## Why it is wrong
A row of the mask belongs to a position. The row of the first position hides everything but the first token, so that a
new token, which ought to look back at the whole text, looks at its beginning and at nothing else.

## Symptom
Training is untouched, and so is the first chunk, where both cuts are the same. From then on the model ignores most of
what it has read, itself included, and repeats itself.

## How to find it
Read a text in two chunks and compare the logits with those of the forward pass. Then print which columns are open for
the last token.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import counts
from mutations.roles.comments import replace_uncommented
from mutations.roles.reads import leaves_nothing_unread
from mutations.source import Source

LAST_ROWS = m.Slice(lower=m.Name(), upper=None, step=None)
LAST_ROWS_UP_TO = m.Slice(lower=m.BinaryOperation(m.Name(), m.Subtract(), m.Name()), upper=m.Name(), step=None)


def edits(source: Source) -> Iterator[Edit]:
    """Slices of what comes after the cached tokens: `mask[T_past:]`, or `mask[T - T_new : T]`."""
    for node in source.find(m.SubscriptElement(LAST_ROWS | LAST_ROWS_UP_TO)):
        element = cst.ensure_type(node, cst.SubscriptElement)
        new = _new(source, cst.ensure_type(element.slice, cst.Slice))
        if new is not None and leaves_nothing_unread(source, element.slice, kept=[new]):
            # A comment on the line would say which rows they were.
            yield replace_uncommented(source, element.slice, f":{source.code(new)}")


def _new(source: Source, rows: cst.Slice) -> cst.BaseExpression | None:
    """The number of new tokens, for a slice that starts where they do."""
    assert rows.lower is not None
    if isinstance(rows.lower, cst.BinaryOperation):
        is_end = rows.upper is not None and rows.upper.deep_equals(rows.lower.left)
        return rows.lower.right if is_end else None
    scope = source.scope(rows)
    for count in counts(source):
        if source.scope(count.new) is scope and count.past.deep_equals(rows.lower):
            return count.new
    return None


READ = """\
def read(tokens, cache=None):
    past = 0 if cache is None else cache.length
    new = tokens.size(1)
    total = past + new
    check(past, total)
"""

OPERATOR = Operator(
    id="mask-taken-from-the-first-rows",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/hyprstream/hyprstream/pull/1521",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="Fed one token at a time, the model behaves as if it had forgotten nearly all that it has read.",
        area="Look at what each token is allowed to look at when there are others that came before its chunk.",
        mechanism="Each row of a triangle is meant for one place in the text. Find out which places these are for.",
    ),
    examples=(
        Example(
            READ + "    return attend(causal(total)[past:])  # rows of what comes last\n",
            READ + "    return attend(causal(total)[:new])\n",
        ),
        Example(
            READ + "    visible = causal(total)[past:, :total]\n    return visible\n",
            READ + "    visible = causal(total)[:new, :total]\n    return visible\n",
        ),
        Example(
            "def weights(self, w):\n    nd, ns = w.size(-2), w.size(-1)\n"
            "    return w * self.bias[:, :, ns - nd : ns, :ns]\n",
            "def weights(self, w):\n    nd, ns = w.size(-2), w.size(-1)\n    return w * self.bias[:, :, :nd, :ns]\n",
        ),
    ),
    look_alikes=(
        "def read(x, past):\n    return x[past:]\n",
        READ + "    return tokens[new:]\n",
        "def read(x, n):\n    return x[:, n - 1 : n]\n",
        "def read(x, n, t):\n    return x[:, n - t : t]\n",
    ),
    edits=edits,
)
