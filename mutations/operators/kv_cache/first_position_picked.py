"""With a cache, generation picks the next token from the first position of a chunk instead of from its last.

## What it does
Reads the logits at the first of the new positions.

## Why it is wrong
The logits of a position say what follows that position. What follows the prompt is said by its last token; its first
token only says what may follow itself.

## Symptom
Only the first token that is generated is picked wrongly: after it each chunk is a single token, whose first position is
its last. The rest continues fluently from a bad start. With a prompt of one token nothing shows.

## How to find it
Generate one token after a prompt of several, with a cache and without one.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import handovers
from mutations.source import Source

MINUS_ONE = m.SubscriptElement(m.Index(m.UnaryOperation(operator=m.Minus(), expression=m.Integer("1"))))
ALL = m.SubscriptElement(m.Slice(lower=None, upper=None, step=None))


def edits(source: Source) -> Iterator[Edit]:
    """The last position of what a call returns that is given a cache and returns the next one."""
    for handover in handovers(source):
        logits = m.Name(handover.result.value)
        last = m.Subscript(value=logits, slice=[ALL, MINUS_ONE]) | m.Subscript(
            value=logits, slice=[ALL, MINUS_ONE, ALL]
        )
        for node in source.find(last, within=source.scope(handover.call)):
            subscript = cst.ensure_type(node, cst.Subscript)
            yield source.replace_within(subscript, subscript.slice[1].slice, "0")


OPERATOR = Operator(
    id="first-position-picked",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/huggingface/transformers/issues/48703",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="The first generated token depends on whether a cache is used; from there on the text reads well.",
        area="Look at what generation makes of the scores that it gets for a whole prompt.",
        mechanism="There is a row of scores for each token of the chunk. Which of them is about what comes next?",
    ),
    examples=(
        Example(
            "for _ in range(n):\n    logits, cache = self.step(unread, cache)\n"
            "    unread = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)\n",
            "for _ in range(n):\n    logits, cache = self.step(unread, cache)\n"
            "    unread = logits[:, 0].argmax(dim=-1, keepdim=True)  # (B, 1)\n",
        ),
        Example(
            "def pick(model, idx, kv):\n    out, kv = model(idx, kv=kv)\n    p = softmax(out[:, -1, :] / t)\n"
            "    return p, kv\n",
            "def pick(model, idx, kv):\n    out, kv = model(idx, kv=kv)\n    p = softmax(out[:, 0, :] / t)\n"
            "    return p, kv\n",
        ),
        Example(
            "logits, past = net(x, past)\nlogits = logits[:, -1]\n",
            "logits, past = net(x, past)\nlogits = logits[:, 0]\n",
        ),
    ),
    look_alikes=(
        "def generate(model, idx):\n    logits, loss = model(idx)\n    return logits[:, -1, :]\n",
        "x, kv = block(x, kv)\nlast = x[:, -1]\n",
        "logits, cache = step(new, cache)\nprob = logits[:, -2]\n",
    ),
    edits=edits,
)
