"""Every token gets position zero.

## What it does
Looks up a row of zeros in the position table instead of 0, 1, 2 and so on.

## Why it is wrong
All tokens get the same vector added, which says nothing about any of them. Attention is left with a set of tokens,
and with what order the causal mask lets through.

## Symptom
It trains, only worse, and in a deep model hardly worse. One row of the position table moves in training and all
others keep their initial values, but for what weight decay takes from them.

## How to find it
In a model of one layer, give the same token several times over: its logits must differ between the positions. Or
replace the second row of the table and see whether anything moves.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.positions import counts, with_options
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Positions counted from zero that reach a table: as many zeros, integers like them."""
    for count in counts(source):
        if not count.from_zero:
            continue
        torch = source.code(cst.ensure_type(count.call.func, cst.Attribute).value)
        numbers = [source.code(count.stop)]
        if not any(option.keyword is not None and option.keyword.value == "dtype" for option in count.options):
            numbers.append(f"dtype={torch}.long")
        yield source.replace(count.call, f"{torch}.zeros({with_options(source, count, *numbers)})")


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.width)
        self.pos = nn.Embedding(config.n_positions, config.width)

    def forward(self, tokens):
        T = tokens.size(1)
"""

OPERATOR = Operator(
    id="every-token-at-position-zero",
    category=Category.POSITION,
    file="model.py",
    origin="https://github.com/DiffPoseTalk/DiffPoseTalk/issues/20",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Given the same token again and again, a model of one layer says the same thing each time.",
        area="Look at what reaches the position table, and at which of its rows training has moved.",
        mechanism="Write down, for a sequence of three tokens, which row each of them is given.",
    ),
    examples=(
        Example(
            INIT + "        return self.tok(tokens) + self.pos(torch.arange(T, device=tokens.device))  # (B, T, C)\n",
            INIT
            + "        return self.tok(tokens) + self.pos(torch.zeros(T, dtype=torch.long, device=tokens.device))"
            + "  # (B, T, C)\n",
        ),
        Example(
            INIT
            + "        p = torch.arange(0, T, dtype=torch.long).unsqueeze(0)\n"
            + "        return self.tok(tokens) + self.pos(p)\n",
            INIT
            + "        p = torch.zeros(T, dtype=torch.long).unsqueeze(0)\n"
            + "        return self.tok(tokens) + self.pos(p)\n",
        ),
        Example(
            INIT
            + "        return self.embed(tokens, torch.arange(T))\n\n"
            + "    def embed(self, tokens, positions):\n        return self.tok(tokens) + self.pos(positions)\n",
            INIT
            + "        return self.embed(tokens, torch.zeros(T, dtype=torch.long))\n\n"
            + "    def embed(self, tokens, positions):\n        return self.tok(tokens) + self.pos(positions)\n",
        ),
    ),
    look_alikes=(
        INIT + "        return self.tok(torch.arange(T))\n",
        INIT + "        return self.pos(torch.arange(T_past, T))\n",
        INIT + "        mask = torch.arange(T)[:, None] < torch.arange(T)\n        return self.pos(tokens), mask\n",
    ),
    edits=edits,
)
