"""Dropout stays at work in evaluation mode.

## What it does
Calls the function instead of the module, with the module's rate. The module knows whether the model is being trained;
the function takes it that it is, unless an argument says otherwise.

## Why it is wrong
Dropout is a way to train. In evaluation mode the whole model must be used, and the same input must give the same
output.

## Symptom
Evaluated twice, the same batch gives two losses, both too high, and generation depends on chance. A cache no longer
agrees with a forward pass. Without dropout nothing shows.

## How to find it
With dropout above zero, put the model into evaluation mode and run it twice on the same tokens: all bits must be equal.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import calls, layers
from mutations.source import Source

ALIASED = m.ImportFrom(module=m.Attribute(m.Name("torch"), m.Name("nn"))) | m.Import()


def edits(source: Source) -> Iterator[Edit]:
    """Calls of dropout modules, in a file that knows torch's functions under a name."""
    functional = _functional(source)
    if functional is None:
        return
    # Beside it too: a class may have its dropout from one that it builds on.
    names = {layer.name for here in (source, *source.beside) for layer in layers(here, lambda kind: kind == "Dropout")}
    for call in calls(source, names):
        if len(call.args) == 1 and not call.args[0].star:
            rate = f"{source.code(call.func)}.p"
            yield source.replace(call, f"{functional}.dropout({source.code(call.args[0])}, {rate})")


def _functional(source: Source) -> str | None:
    """What the file calls torch.nn.functional."""
    for node in source.find(ALIASED):
        assert isinstance(node, cst.Import | cst.ImportFrom)
        for alias in [] if isinstance(node.names, cst.ImportStar) else node.names:
            name = alias.evaluated_name
            if name in ("functional", "torch.nn.functional"):
                return alias.evaluated_alias or name
    return None


INIT = """\
from torch import nn
from torch.nn import functional as F


class MLP(nn.Module):
    def __init__(self, config):
        self.map = nn.Linear(4, 4)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, x):
"""

OPERATOR = Operator(
    id="dropout-never-off",
    category=Category.MODES,
    file="model.py",
    origin="https://github.com/rixwew/pytorch-fm/issues/21",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="In evaluation mode the same tokens give other logits each time.",
        area="Raise the rate of the random part, and look for a place that does not hear of the mode.",
        mechanism="A module knows its mode. Does everything that draws numbers here belong to one?",
    ),
    examples=(
        Example(
            INIT + "        return self.drop(self.map(x))  # (B, T, C)\n",
            INIT + "        return F.dropout(self.map(x), self.drop.p)  # (B, T, C)\n",
        ),
        Example(
            INIT.replace("from torch.nn import functional as F", "import torch.nn.functional as fn")
            + "        x = self.map(x)\n        x = self.drop(x)\n        return x\n",
            INIT.replace("from torch.nn import functional as F", "import torch.nn.functional as fn")
            + "        x = self.map(x)\n        x = fn.dropout(x, self.drop.p)\n        return x\n",
        ),
    ),
    look_alikes=(
        INIT + "        return F.dropout(self.map(x), self.drop.p, self.training)\n",
        INIT.replace("from torch.nn import functional as F\n", "") + "        return self.drop(self.map(x))\n",
        INIT + "        return self.map(x)\n",
    ),
    edits=edits,
)
