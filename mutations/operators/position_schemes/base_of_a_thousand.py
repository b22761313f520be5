"""The wavelengths of a position scheme go down to a thousandth instead of a ten-thousandth.

## What it does
Raises 1000 to the exponents where the published formula has 10000.

## Why it is wrong
The base decides how slowly the slowest channels turn, and with it how far apart two positions can be and still
differ. Both sinusoidal and rotary positions are published with 10000, and so are the weights that go with it.

## Symptom
None in training from scratch on short texts: the fastest channels do most of the work, and they are the same. Weights
of another implementation give other results, the more so the further apart tokens are.

## How to find it
Compute the table, or the angle of each pair at position one, by hand for a few channels. The first channels agree
whatever the base is; look at the last.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.calls import argument
from mutations.roles.schemes import ARANGE
from mutations.source import Source

ROOTS = m.Attribute(attr=m.Name("log") | m.Name("pow")) | m.Name("log") | m.Name("pow")


def edits(source: Source) -> Iterator[Edit]:
    """Ten thousand: raised to something or in a logarithm, where channels are counted, or under the name of a base."""
    for node in source.find(m.Integer() | m.Float()):
        assert isinstance(node, cst.Integer | cst.Float)
        parent = source.parent(node)
        counts = bool(source.find(ARANGE, within=source.scope(node)))
        is_named = isinstance(parent, cst.Param | cst.AnnAssign) and _is_called_base(source, parent)
        if node.evaluated_value == 10000 and (is_named or (counts and _is_base(source, node))):
            text = source.code(node)
            yield source.replace(node, text.replace("4", "3") if "e" in text.lower() else text.replace("0", "", 1))


def _is_called_base(source: Source, node: cst.Param | cst.AnnAssign) -> bool:
    """Whether a number is what a parameter or a field of that name is where nothing else is said, and it is left so."""
    name = source.code(node.name if isinstance(node, cst.Param) else node.target)
    if not name.lower().endswith(("rope_theta", "rope_base", "rotary_base")) and name.lower() not in ("theta", "base"):
        return False
    function = source.scope(node)
    if isinstance(node, cst.AnnAssign) or not isinstance(function, cst.FunctionDef):
        return True
    if not _is_raised(source, function, name):
        return False
    place = [parameter.name.value for parameter in function.params.params].index(name)
    called = m.Call(func=m.Name(function.name.value) | m.Attribute(attr=m.Name(function.name.value)))
    calls = [cst.ensure_type(call, cst.Call) for call in source.find(called)]
    return not calls or any(argument(call, place, name) is None for call in calls)


def _is_raised(source: Source, function: cst.FunctionDef, name: str) -> bool:
    """Whether a parameter is the base of a power, is in a logarithm, or is kept or handed on to where it may be."""
    for node in source.find(m.Name(name), within=function.body):
        around = source.parent(node)
        if isinstance(around, cst.BinaryOperation):
            if isinstance(around.operator, cst.Power) and around.left is node:
                return True
        elif isinstance(around, cst.Assign | cst.Arg) and around.value is node:
            return True
    return False


def _is_base(source: Source, number: cst.Integer | cst.Float) -> bool:
    parent = source.parent(number)
    if isinstance(parent, cst.BinaryOperation):
        return isinstance(parent.operator, cst.Power) and parent.left is number
    return isinstance(parent, cst.Arg) and m.matches(source.parent(parent), m.Call(func=ROOTS))


OPERATOR = Operator(
    id="base-of-a-thousand",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/maxjcohen/transformer/issues/62",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.SCHEMES}),
    hints=Hints(
        symptom="Weights from elsewhere work for neighbours, and less and less for tokens that are further apart.",
        area="Look at how fast the last channels change from one position to the next, and not at the first ones.",
        mechanism="Wavelengths are powers of a number. Compare it with the one that was published.",
    ),
    examples=(
        Example(
            "def waves(D):\n    return 10000.0 ** -(torch.arange(0, D, 2) / D)\n",
            "def waves(D):\n    return 1000.0 ** -(torch.arange(0, D, 2) / D)\n",
        ),
        Example(
            "def waves(D):\n    return 1.0 / (1e4 ** (torch.arange(0, D, 2) / D))\n",
            "def waves(D):\n    return 1.0 / (1e3 ** (torch.arange(0, D, 2) / D))\n",
        ),
        Example(
            "def table(d):\n    return torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))\n",
            "def table(d):\n    return torch.exp(torch.arange(0, d, 2) * (-math.log(1000.0) / d))\n",
        ),
        Example(
            "def inverse(dim):\n    return 1.0 / (10000 ** (torch.arange(0, dim, 2).float() / dim))\n",
            "def inverse(dim):\n    return 1.0 / (1000 ** (torch.arange(0, dim, 2).float() / dim))\n",
        ),
        Example(
            "def table(dim, end, theta: float = 10000.0):\n    return theta ** (torch.arange(0, dim, 2) / dim)\n",
            "def table(dim, end, theta: float = 1000.0):\n    return theta ** (torch.arange(0, dim, 2) / dim)\n",
        ),
    ),
    look_alikes=(
        "def f(x, base=10000):\n    return x + base * torch.arange(3)\n",
        "def long(n):\n    return torch.arange(10000)\n",
        "def scale(x):\n    return 10000.0**x\n",
        "def waves(D, base):\n    return base ** -(torch.arange(0, D, 2) / D)\n",
    ),
    edits=edits,
)
