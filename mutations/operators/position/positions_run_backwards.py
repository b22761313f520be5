"""Positions are counted from the end: the last token is at position 0, and the first at T - 1.

## What it does
Counts down instead of up: the order that relative positions are kept in, for a table of absolute ones.

## Why it is wrong
A token's position must not depend on how many follow it. Counted from the end, every token that is appended moves all
the others by one, so the past knows how long the future is.

## Symptom
At one fixed length the model trains as well as ever. As soon as a text grows, as it does in generation, every row it
looks up is another one than before.

## How to find it
Run a sequence and then its beginning alone: the logits of the beginning must be the same. Or compare incremental
decoding with the forward pass.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.positions import counts, with_options
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Positions counted up from zero that reach a table: the same ones, counted down."""
    for count in counts(source):
        if count.from_zero:
            arguments = with_options(source, count, f"{source.code(count.stop)} - 1", "-1", "-1")
            yield source.replace(count.call, f"{source.code(count.call.func)}({arguments})")


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def forward(self, tokens):
        T = tokens.size(1)
"""

OPERATOR = Operator(
    id="positions-run-backwards",
    category=Category.POSITION,
    file="model.py",
    origin="https://github.com/kimiyoung/transformer-xl/issues/111",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Training at one length goes well, but the same beginning of a text is read differently as it grows.",
        area="Look at which row of the position table each token is given, for two lengths.",
        mechanism="Follow the first token while others are appended: where does it stand?",
    ),
    examples=(
        Example(
            INIT + "        return self.tok(tokens) + self.pos(torch.arange(T, device=tokens.device))  # (B, T, C)\n",
            INIT
            + "        return self.tok(tokens) + self.pos(torch.arange(T - 1, -1, -1, device=tokens.device))"
            + "  # (B, T, C)\n",
        ),
        Example(
            INIT + "        p = torch.arange(0, T, dtype=torch.long)\n        return self.tok(tokens) + self.pos(p)\n",
            INIT
            + "        p = torch.arange(T - 1, -1, -1, dtype=torch.long)\n"
            + "        return self.tok(tokens) + self.pos(p)\n",
        ),
        Example(
            INIT + "        return self.tok(tokens) + self.pos(torch.arange(tokens.shape[1]).unsqueeze(0))\n",
            INIT
            + "        return self.tok(tokens) + self.pos(torch.arange(tokens.shape[1] - 1, -1, -1).unsqueeze(0))\n",
        ),
    ),
    look_alikes=(
        INIT + "        return self.tok(torch.arange(T))\n",
        INIT + "        return self.pos(torch.arange(T_past, T))\n",
        INIT + "        return self.pos(torch.arange(T - 1, -1, -1))\n",
    ),
    edits=edits,
)
