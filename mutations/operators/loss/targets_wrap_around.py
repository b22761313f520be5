"""The last target of a row is the row's own first token.

## What it does
Makes the targets out of the inputs by rolling them one place, where the sequence has one token more to offer.

## Why it is wrong
What is rolled out on the left comes in again on the right. The last position, the one that has seen most, is asked for
a token that does not follow it.

## Symptom
All targets but one in each row are right, so that the loss falls; it stays above what the data allow, the more so the
shorter the rows are. The last position predicts badly, and that is the one that generates. Where rows are
exactly as long as a period of the data, nothing shows.

## How to find it
Continue a row of a batch by hand and compare its last target with the token that comes next.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import function_name
from mutations.roles.losses import shifts
from mutations.source import Source

NUMPY = m.Attribute(value=m.Name("np") | m.Name("numpy"))
# What takes an array or a list, which cannot be rolled as a tensor can.
CONVERTS = ("from_numpy", "tensor", "as_tensor", "astype", "LongTensor", "asarray")


def edits(source: Source) -> Iterator[Edit]:
    """The later one of two windows on a tensor: the earlier one, rolled along its last dimension.

    Of a flat window that is cut into rows afterwards only the very last target would be wrong.
    """
    for shift in shifts(source):
        last = len(shift.tokens.slice) - 1
        roll = f"roll(-1, dims={last})" if last else "roll(-1)"
        is_cut = not last and m.matches(
            source.parent(shift.targets), m.Attribute(attr=m.Name("view") | m.Name("reshape"))
        )
        if not is_cut and not _is_converted(source, shift.targets) and not _is_array(source, shift.targets.value):
            yield source.replace(shift.targets, f"{source.code(shift.tokens)}.{roll}")


def _is_converted(source: Source, node: cst.CSTNode) -> bool:
    """Whether an expression is made a tensor only by what is called on it or with it."""
    while isinstance(node, cst.BaseExpression | cst.Arg):
        if isinstance(node, cst.Call) and function_name(node) in CONVERTS:
            return True
        node = source.parent(node)
    return False


def _is_array(source: Source, expression: cst.BaseExpression) -> bool:
    assigned = m.Assign(targets=[m.AssignTarget(m.Name(source.code(expression)))])
    return any(source.find(NUMPY, within=cst.ensure_type(node, cst.Assign).value) for node in source.find(assigned))


OPERATOR = Operator(
    id="targets-wrap-around",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/verl-project/verl/issues/6475",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The loss falls, but not as far as the data allow, least of all with short rows.",
        area="Look at the loss of each position by itself instead of at the mean.",
        mechanism="Where does the answer for the very end of a row come from?",
    ),
    examples=(
        Example(
            "tokens, targets = sequence[:, :-1], sequence[:, 1:]  # (B, T) each\n",
            "tokens, targets = sequence[:, :-1], sequence[:, :-1].roll(-1, dims=1)  # (B, T) each\n",
        ),
        Example(
            "x = torch.stack([data[i : i + T] for i in ix])\ny = torch.stack([data[i + 1 : i + 1 + T] for i in ix])\n",
            "x = torch.stack([data[i : i + T] for i in ix])\ny = torch.stack([data[i : i + T].roll(-1) for i in ix])\n",
        ),
        Example(
            "def item(chunk):\n    return chunk[:-1], chunk[1:]\n",
            "def item(chunk):\n    return chunk[:-1], chunk[:-1].roll(-1)\n",
        ),
    ),
    look_alikes=(
        "change = x[1:] - x[:-1]\n",
        "x = torch.from_numpy(data[i : i + n])\ny = torch.from_numpy(data[i + 1 : i + 1 + n])\n",
        "data = np.memmap(path)\nx = wrap(data[i : i + n])\ny = wrap(data[i + 1 : i + 1 + n])\n",
        "x = tokens[:-1].view(B, T)\ny = tokens[1:].view(B, T)\n",
        "head, rest = x[:1], x[1:]\n",
        "a, b = x[:, :-1], x[:, 2:]\n",
    ),
    edits=edits,
)
