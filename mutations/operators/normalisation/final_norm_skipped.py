"""The head reads the residual stream as it is, without the norm that belongs before it.

## What it does
Leaves out the last norm on one way from the blocks to the logits.

## Why it is wrong
In a model that norms before each part, nothing norms the sum that the blocks leave behind. Its size grows with the
depth and with training, and the head was made for vectors of one size.

## Symptom
From scratch it trains, with a loss that starts in the right place and moves less steadily. With trained weights the
scores have the wrong scale, and a part of them the wrong order. The gain of the last norm gets no gradient from here.

## How to find it
Double the gain of the last norm: every logit must change. Or compare with the logits of a model that is known to be
right, with the same weights.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import calls, head, norms
from mutations.source import Source

NORMS_ONE_NAME = m.Call(args=[m.Arg(m.Name(), star="")])


def edits(source: Source) -> Iterator[Edit]:
    """Calls of the norm that the model keeps beside its head: as what the head reads, or as a line of its own."""
    layer = head(source)
    if layer is None:
        return
    names = {norm.name for norm in norms(source) if norm.owner is layer.owner}
    if len(names) != 1:
        return
    read = [call.args[0].value for call in calls(source, {layer.name}, within=layer.owner) if len(call.args) == 1]
    for norm in calls(source, names, within=layer.owner):
        if not m.matches(norm, NORMS_ONE_NAME):
            continue
        stream = norm.args[0].value
        assignment = source.parent(norm)
        if norm in read:
            yield source.replace(norm, source.code(stream))
        elif isinstance(assignment, cst.Assign) and assignment.targets[0].target.deep_equals(stream):
            line = source.parent(assignment)
            if isinstance(line, cst.SimpleStatementLine) and len(source.siblings(line)) > 1:
                yield source.remove(line)


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.h = nn.ModuleList(blocks)
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, x):
        for block in self.h:
            x = block(x)
"""

OPERATOR = Operator(
    id="final-norm-skipped",
    category=Category.NORMALISATION,
    file="model.py",
    origin="https://github.com/vllm-project/speculators/pull/313",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="Trained weights from elsewhere give scores of the wrong size, the more so the deeper the model.",
        area="Follow what the last block returns until it has become logits.",
        mechanism="Each part of the model wants to read vectors of one size. Who sees to that at the very end?",
    ),
    examples=(
        Example(
            INIT + "        x = self.ln_f(x)\n        return self.lm_head(x)\n",
            INIT + "        return self.lm_head(x)\n",
        ),
        Example(
            INIT + "        logits = self.lm_head(self.ln_f(x))  # (B, T, V)\n        return logits\n",
            INIT + "        logits = self.lm_head(x)  # (B, T, V)\n        return logits\n",
        ),
        Example(
            "class GPT(nn.Module):\n    def __init__(self, C, vocab_size):\n"
            "        self.t = nn.ModuleDict(dict(h=nn.ModuleList(blocks), ln_f=nn.LayerNorm(C)))\n"
            "        self.head = nn.Linear(C, vocab_size)\n\n"
            "    def forward(self, x):\n        x = self.blocks(x)\n        x = self.t.ln_f(x)\n\n"
            "        return self.head(x)\n",
            "class GPT(nn.Module):\n    def __init__(self, C, vocab_size):\n"
            "        self.t = nn.ModuleDict(dict(h=nn.ModuleList(blocks), ln_f=nn.LayerNorm(C)))\n"
            "        self.head = nn.Linear(C, vocab_size)\n\n"
            "    def forward(self, x):\n        x = self.blocks(x)\n\n"
            "        return self.head(x)\n",
        ),
    ),
    look_alikes=(
        INIT + "        normed = self.ln_f(x)\n        return self.lm_head(normed)\n",
        INIT + "        return self.lm_head(x)\n",
        "class Block(nn.Module):\n    def __init__(self, C):\n        self.ln = nn.LayerNorm(C)\n"
        "        self.proj = nn.Linear(C, C)\n\n    def forward(self, x):\n        return self.proj(self.ln(x))\n",
    ),
    edits=edits,
)
