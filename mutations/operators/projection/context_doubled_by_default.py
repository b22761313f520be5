"""The context is twice as long by default as it should be.

## What it does
Doubles the default of the field that says how long a sequence may be.

## Why it is wrong
A default is part of the contract: code that leaves the size out relies on it. The table of positions is made by it, so
that a model built without naming the size is another model, with other shapes in its checkpoint.

## Symptom
None where every size is given. A model made of the defaults takes sequences that it should refuse, half of its
positions are never trained, and a checkpoint made elsewhere with the same defaults does not load.

## How to find it
Print a configuration that nothing was passed to, and lay it beside the one that is documented. Then compare the
shapes of a default model's parameters with those of a known checkpoint.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.comments import replace_uncommented
from mutations.roles.layers import owner_of
from mutations.roles.limits import limit_names
from mutations.source import Source

PLAIN = m.Integer(value=m.MatchRegex(r"[0-9]+"))


def edits(source: Source) -> Iterator[Edit]:
    """Fields with a number as their default that the table of positions is made by."""
    for name in sorted(limit_names(source)):
        for node in source.find(m.AnnAssign(target=m.Name(name), value=PLAIN)):
            field = cst.ensure_type(node, cst.AnnAssign)
            default = cst.ensure_type(field.value, cst.Integer)
            if owner_of(source, field) is not None and isinstance(source.scope(field), cst.Module):
                doubled = source.replace_within(field, default, str(2 * default.evaluated_value)).after
                yield replace_uncommented(source, field, doubled)


CONFIG = """\
@dataclass
class Config:
    vocab_size: int = 65
"""
MODEL = """\


class GPT(nn.Module):
    def __init__(self, config):
        self.tok = nn.Embedding(config.vocab_size, config.n_embd)
        self.pos = nn.Embedding(config.block_size, config.n_embd)
"""
LOCAL = """\


class GPT(nn.Module):
    def __init__(self, config):
        V, T, C = config.vocab_size, config.context, config.width
        self.tok = nn.Embedding(V, C)
        self.pos = nn.Embedding(T, C)
"""

OPERATOR = Operator(
    id="context-doubled-by-default",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/Lightning-AI/lit-llama/pull/194",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="A model for which every size is given is right. One that is made of defaults has a wrong shape.",
        area="Look at what a configuration holds when nothing is passed to it.",
        mechanism="How many places are there in a sequence, and how many does the contract promise?",
    ),
    examples=(
        Example(
            CONFIG + "    block_size: int = 1024\n    n_embd: int = 768\n" + MODEL,
            CONFIG + "    block_size: int = 2048\n    n_embd: int = 768\n" + MODEL,
        ),
        Example(
            CONFIG + "    context: int = 32  # as in the notebook\n    width: int = 16\n" + LOCAL,
            CONFIG + "    context: int = 64\n    width: int = 16\n" + LOCAL,
        ),
    ),
    look_alikes=(
        CONFIG + "    block_size: int\n    n_embd: int = 768\n" + MODEL,
        CONFIG + "    block_size: int = 1024\n    n_embd: int = 768\n",
        "block_size: int = 1024\n" + MODEL,
        CONFIG + "    window: int = 1024\n" + MODEL,
    ),
    edits=edits,
)
