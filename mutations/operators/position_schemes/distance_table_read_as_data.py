"""The table of learned distances is read past the graph, so it never learns.

## What it does
Looks up the data of the parameter instead of the parameter.

## Why it is wrong
What is looked up is right, and no gradient leads back from it. The table keeps its first values, which are zeros as
often as not: then every distance is the same, and the model has no positions at all.

## Symptom
The forward pass is right to the last bit for given weights. A model that is trained does not learn what depends on
order. The table has no gradient after a backward pass.

## How to find it
After one backward pass, list the parameters without a gradient. Or compare the table before and after an update.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.layers import owner_of
from mutations.roles.schemes import distances
from mutations.source import Source

PARAMETER = m.Call(func=m.Attribute(attr=m.Name("Parameter")) | m.Name("Parameter"))
KEPT = m.Attribute(value=m.Name("self"))


def edits(source: Source) -> Iterator[Edit]:
    """Parameters of a class that are looked up by distances."""
    measured = [source.scope(found.node) for found in distances(source)]
    for node in source.find(m.Subscript(value=KEPT)):
        table = cst.ensure_type(node, cst.Subscript).value
        if source.scope(node) in measured and _is_parameter(source, table) and _is_looked_up(source, node):
            yield source.replace(table, f"{source.code(table)}.data")


def _is_parameter(source: Source, table: cst.BaseExpression) -> bool:
    owner = owner_of(source, table)
    made = source.find(m.Assign(targets=[m.AssignTarget(KEPT)], value=PARAMETER), within=owner)
    return any(cst.ensure_type(each, cst.Assign).targets[0].target.deep_equals(table) for each in made)


def _is_looked_up(source: Source, node: cst.CSTNode) -> bool:
    """Whether the index is a distance by its name, or is made of one."""
    index = cst.ensure_type(node, cst.Subscript).slice
    names = [source.code(name) for element in index for name in source.find(m.Name(), within=element)]
    for found in distances(source):
        assigned = source.parent(found.node)
        is_here = source.scope(found.node) is source.scope(node)
        if is_here and isinstance(assigned, cst.Assign) and source.code(assigned.targets[0].target) in names:
            return True
    return False


INIT = """\
class Biased(nn.Module):
    def __init__(self, config):
        self.bias = nn.Parameter(torch.zeros(config.block_size, config.n_head))

    def attend(self, q, k, positions):
        distance = positions[:, None] - torch.arange(k.size(2))
"""

OPERATOR = Operator(
    id="distance-table-read-as-data",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/google-research/maxvit/issues/7",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.SCHEMES}),
    hints=Hints(
        symptom="With learned distances the logits are right, and a model that is trained never learns to tell order.",
        area="After an update, look for parameters that still hold their initial values.",
        mechanism="Follow the gradient back from the scores, to all that they are a sum of.",
    ),
    examples=(
        Example(
            INIT + "        return q @ k.mT + self.bias[distance.clamp(min=0)].movedim(-1, -3)\n",
            INIT + "        return q @ k.mT + self.bias.data[distance.clamp(min=0)].movedim(-1, -3)\n",
        ),
        Example(
            INIT + "        return q @ k.mT + self.bias[distance]\n",
            INIT + "        return q @ k.mT + self.bias.data[distance]\n",
        ),
    ),
    look_alikes=(
        INIT + "        return q @ k.mT + self.bias\n",
        INIT + "        return q @ k.mT + self.bias[: q.size(2)]\n",
        INIT.replace("nn.Parameter(", "buffer(") + "        return q @ k.mT + self.bias[distance]\n",
    ),
    edits=edits,
)
