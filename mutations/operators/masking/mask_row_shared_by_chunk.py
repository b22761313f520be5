"""In incremental decoding all tokens of a chunk share the mask of the last one.

## What it does
Takes the last row of the causal mask instead of a row for each new position. The last row hides nothing.

## Why it is wrong
One new token may see all that came before it, so one row is enough for it. A prompt is read as a chunk of several
tokens, and all but the last then see tokens that come after them.

## Symptom
Training is untouched, and so is a text that is fed token by token. Generation goes astray from its first step, since
the keys and values of the prompt, once wrong, stay in the cache.

## How to find it
Read the same tokens in one chunk, in two, and one at a time: the logits must agree with each other and with the
forward pass.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.attention import triangles
from mutations.roles.comments import replace_uncommented
from mutations.roles.reads import leaves_nothing_unread
from mutations.roles.sizes import resolve
from mutations.source import Source

NEW_ROWS = m.Subscript(slice=[m.SubscriptElement(m.Slice(lower=m.Name(), upper=None, step=None))])


def edits(source: Source) -> Iterator[Edit]:
    """Slices that keep the rows of a causal mask from some position on."""
    made = [triangle.call for triangle in triangles(source)]
    makers = {scope.name.value for call in made if isinstance(scope := source.scope(call), cst.FunctionDef)}
    for node in source.find(NEW_ROWS):
        rows = cst.ensure_type(node, cst.Subscript)
        mask = resolve(source, rows.value)
        is_mask = mask in made or (isinstance(mask, cst.Call) and _function(mask) in makers)
        if is_mask and leaves_nothing_unread(source, rows.slice[0]):
            # A comment on the line would speak of more rows than there are.
            yield replace_uncommented(source, rows, source.replace_within(rows, rows.slice[0], "-1:").after)


def _function(call: cst.Call) -> str:
    """The name of what is called, without the object that it belongs to."""
    if isinstance(call.func, cst.Attribute):
        return call.func.attr.value
    return call.func.value if isinstance(call.func, cst.Name) else ""


MASK = "def causal(T):\n    return torch.ones(T, T, dtype=torch.bool).triu(1)\n\n\n"
READ = "def read(tokens, past):\n    T_past = past.size(2)\n    T = T_past + tokens.size(1)\n"

OPERATOR = Operator(
    id="mask-row-shared-by-chunk",
    category=Category.MASKING,
    file="model.py",
    origin="https://github.com/Mikyx-1/TinyLLM/issues/17",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="Training is as it should be, yet generation with a cache and without one disagree.",
        area="Read a prompt at once and token by token, both with a cache, and compare.",
        mechanism="Count the new positions, and count the positions for which something is forbidden.",
    ),
    examples=(
        Example(
            MASK + READ + "    mask = causal(T)[T_past:]  # (T_new, T)\n    return attend(tokens, mask)\n",
            MASK + READ + "    mask = causal(T)[-1:]\n    return attend(tokens, mask)\n",
        ),
        Example(
            READ + "    mask = torch.ones(T, T).tril()\n    return attend(tokens, mask[T_past:])\n",
            READ + "    mask = torch.ones(T, T).tril()\n    return attend(tokens, mask[-1:])\n",
        ),
        Example(
            READ + "    return attend(tokens, torch.triu(ones, diagonal=1)[T_past:])\n",
            READ + "    return attend(tokens, torch.triu(ones, diagonal=1)[-1:])\n",
        ),
    ),
    look_alikes=(
        READ + "    return attend(tokens[T_past:], T)\n",
        MASK + "def read(tokens, T_past):\n    return attend(tokens, causal(tokens.size(1))[T_past:])\n",
        MASK + READ + "    return attend(tokens, causal(T)[:T_past])\n",
    ),
    edits=edits,
)
