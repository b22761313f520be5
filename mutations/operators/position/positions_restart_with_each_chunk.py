"""In incremental decoding positions start at zero again with every chunk.

## What it does
Counts the new tokens from 0 instead of from the number of tokens that are in the cache.

## Why it is wrong
A token's position is its place in the whole text. Fed one at a time, all tokens would stand at the beginning.

## Symptom
Training is untouched and the first chunk is right. From the second on the model contradicts its forward pass, and
what it generates tends to repeat itself.

## How to find it
Read a sequence at once, in two chunks, and token by token: the logits must agree with the forward pass each time.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.positions import Count, counts, with_options
from mutations.roles.reads import leaves_nothing_unread
from mutations.roles.sizes import resolve
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Positions that reach a table and are counted from what a cache holds: as many, from zero."""
    for count in counts(source):
        new = _new(source, count)
        if new is not None and leaves_nothing_unread(source, count.call, kept=[count.call.func, *count.options, new]):
            arguments = with_options(source, count, source.code(new))
            yield source.replace(count.call, f"{source.code(count.call.func)}({arguments})")


def _new(source: Source, count: Count) -> cst.BaseExpression | None:
    """The number of new tokens: what is added to the start to make the stop."""
    total = resolve(source, count.stop)
    if count.start is None or not isinstance(total, cst.BinaryOperation) or not isinstance(total.operator, cst.Add):
        return None
    for past, new in ((total.left, total.right), (total.right, total.left)):
        if past.deep_equals(count.start):
            return new
    return None


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def forward(self, tokens, cache):
        B, T_new = tokens.shape
        past = cache.length
"""

OPERATOR = Operator(
    id="positions-restart-with-each-chunk",
    category=Category.POSITION,
    file="model.py",
    origin="https://github.com/ml-explore/mlx-lm/pull/93",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="With a cache the second token is already predicted otherwise than without one.",
        area="Look at what incremental decoding does differently from the forward pass before the first block.",
        mechanism="Feed three tokens one at a time, and note for each which position it gets.",
    ),
    examples=(
        Example(
            INIT + "        T = past + T_new\n        check(past, T)\n"
            "        return self.tok(tokens) + self.pos(torch.arange(past, T, device=tokens.device))  # (B, T, C)\n",
            INIT + "        T = past + T_new\n        check(past, T)\n"
            "        return self.tok(tokens) + self.pos(torch.arange(T_new, device=tokens.device))  # (B, T, C)\n",
        ),
        Example(
            INIT + "        check(past)\n        p = torch.arange(past, past + T_new)\n        return self.pos(p)\n",
            INIT + "        check(past)\n        p = torch.arange(T_new)\n        return self.pos(p)\n",
        ),
        Example(
            INIT + "        check(past)\n        p = torch.arange(past, tokens.size(1) + past, dtype=torch.long)\n"
            "        return self.pos(p.unsqueeze(0))\n",
            INIT + "        check(past)\n        p = torch.arange(tokens.size(1), dtype=torch.long)\n"
            "        return self.pos(p.unsqueeze(0))\n",
        ),
    ),
    look_alikes=(
        INIT + "        return self.pos(torch.arange(T_new))\n",
        INIT + "        check(past)\n        return self.pos(torch.arange(0, past + T_new))\n",
        INIT + "        return self.pos(torch.arange(past, past + T_new))\n",
    ),
    edits=edits,
)
