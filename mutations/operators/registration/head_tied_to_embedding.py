"""The head and the token embedding are made one matrix, in a model that keeps them apart.

## What it does
Assigns the weight of the token embedding to the head, right after the head is made.

## Why it is wrong
Tying the two is a choice, and GPT-2 makes it; this model does not. Tied, it has one matrix less, gradients from both
ends meet in the one that is left, and a checkpoint with two matrices loses one of them when it is loaded: the last
one copied in wins.

## Symptom
From scratch the model trains well. With weights from elsewhere it reads or scores its tokens wrongly. The parameters
that it lists are one short.

## How to find it
Ask whether the two weights are the same object, or lie at the same address. Or change one and look at the other.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import head, shares_weight, token_embeddings
from mutations.roles.residual import indent
from mutations.source import Source

KEPT = m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))])


def edits(source: Source) -> Iterator[Edit]:
    """A head that is kept right on self, after the one token embedding there is."""
    layer = head(source)
    tables = [] if layer is None else [table for table in token_embeddings(source) if table.owner is layer.owner]
    if layer is None or len(tables) != 1 or any(shares_weight(source, each.name) for each in (layer, tables[0])):
        return
    made = [source.parent(layer.call), source.parent(tables[0].call)]
    if not all(m.matches(assignment, KEPT) for assignment in made) or source.span(made[0]) < source.span(made[1]):
        return
    line = source.parent(made[0])
    if isinstance(line, cst.SimpleStatementLine):
        start, end = source.span(line)[0], source.line_end(source.span(line)[1])
        whole = source.code_between(start, end)
        yield source.replace_span(
            start, end, f"{whole}{indent(source, line)}self.{layer.name}.weight = self.{tables[0].name}.weight\n"
        )


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
"""

OPERATOR = Operator(
    id="head-tied-to-embedding",
    category=Category.REGISTRATION,
    file="model.py",
    origin="https://github.com/pegainfer-project/pegainfer/pull/544",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Trained from scratch it is fine; with a checkpoint from elsewhere it is not.",
        area="List what the model learns, and compare the list with that of the contract.",
        mechanism="Change a single number where tokens come in, and look at where their scores go out.",
    ),
    examples=(
        Example(
            INIT + "        self.tok = nn.Embedding(config.vocab_size, C)\n"
            "        self.out = nn.Linear(C, config.vocab_size, bias=False)  # no bias\n        self.init()\n",
            INIT + "        self.tok = nn.Embedding(config.vocab_size, C)\n"
            "        self.out = nn.Linear(C, config.vocab_size, bias=False)  # no bias\n"
            "        self.out.weight = self.tok.weight\n        self.init()\n",
        ),
        Example(
            INIT + "        self.wte = nn.Embedding(vocab_size, n_embd)\n"
            "        self.wpe = nn.Embedding(block_size, n_embd)\n\n"
            "        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)\n\n        self.apply(init)\n",
            INIT + "        self.wte = nn.Embedding(vocab_size, n_embd)\n"
            "        self.wpe = nn.Embedding(block_size, n_embd)\n\n"
            "        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)\n"
            "        self.lm_head.weight = self.wte.weight\n\n        self.apply(init)\n",
        ),
    ),
    look_alikes=(
        INIT + "        self.wte = nn.Embedding(vocab_size, n_embd)\n"
        "        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)\n"
        "        self.wte.weight = self.lm_head.weight\n",
        INIT + "        self.wpe = nn.Embedding(block_size, n_embd)\n"
        "        self.lm_head = nn.Linear(n_embd, vocab_size, bias=False)\n",
        INIT + "        self.wte = nn.Embedding(vocab_size, n_embd)\n        self.proj = nn.Linear(n_embd, n_embd)\n",
    ),
    edits=edits,
)
