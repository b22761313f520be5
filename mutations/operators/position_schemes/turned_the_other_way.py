"""Rotary positions turn pairs of channels backwards.

## What it does
Exchanges the signs in the two sums of a rotation, which gives the rotation by the opposite angle.

## Why it is wrong
A query and a key that are both turned backwards still meet at an angle that depends on their distance alone, but with
the other sign: what the published scheme scores for three steps back is what this one scores for three steps ahead.

## Symptom
None in training from scratch: the maps before it learn the mirror image. Weights that were trained with the published
scheme attend to the wrong distances, and it looks as if they were damaged.

## How to find it
Turn the vector (1, 0) by one position, by hand. It has to come out as (cos 1, sin 1).
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.joining import joined
from mutations.roles.sizes import resolve
from mutations.source import Source

PRODUCT = m.BinaryOperation(operator=m.Multiply())
DIFFERENCE = m.BinaryOperation(left=PRODUCT, operator=m.Subtract(), right=PRODUCT)
SUM = m.BinaryOperation(left=PRODUCT, operator=m.Add(), right=PRODUCT)
NEGATED = m.Element(m.UnaryOperation(operator=m.Minus()))
HALF_TURN = m.Call(
    func=m.Attribute(attr=m.Name("cat") | m.Name("stack")),
    args=[m.Arg(m.Tuple([NEGATED, m.Element()]) | m.List([NEGATED, m.Element()])), m.ZeroOrMore()],
)
POLAR = m.Call(
    func=m.Attribute(attr=m.Name("polar")), args=[m.Arg(keyword=None), m.Arg(m.Name() | m.Attribute(), keyword=None)]
)

IMAGINARY = m.Imaginary(value="1j")
EXPONENTIAL = m.Call(
    func=m.Attribute(attr=m.Name("exp")),
    args=[m.Arg(m.BinaryOperation(left=IMAGINARY, operator=m.Multiply(), right=m.Name()))],
)
WAVES = m.Call(
    func=m.Attribute(attr=m.Name("complex")),
    args=[m.Arg(m.Name() | m.Call(), keyword=None), m.Arg(m.Name() | m.Call(), keyword=None)],
)


def edits(source: Source) -> Iterator[Edit]:
    """`a * cos - b * sin` with `a * sin + b * cos` beside it, halves that change places, complex ones."""
    for operations in _rotations(source).values():
        yield _exchanged(source, operations)
    for node in source.find(POLAR):
        angle = cst.ensure_type(node, cst.Call).args[1].value
        yield source.replace(angle, f"-{source.code(angle)}")
    for node in source.find(EXPONENTIAL):
        unit = source.find(IMAGINARY, within=node)[0]
        yield source.replace(unit, f"-{source.code(unit)}")
    for node in source.find(WAVES):
        cosine, sine = (source.code(arg.value) for arg in cst.ensure_type(node, cst.Call).args)
        if "cos" in cosine.lower() and "sin" in sine.lower():
            yield source.replace_within(node, cst.ensure_type(node, cst.Call).args[1].value, f"-{sine}")
    for node in source.find(HALF_TURN):
        pair = cst.ensure_type(cst.ensure_type(node, cst.Call).args[0].value, cst.Tuple | cst.List)  # type: ignore[arg-type]
        first, second = (element.value for element in pair.elements)
        plain = cst.ensure_type(first, cst.UnaryOperation).expression
        if _part(source, plain) is not None and _part(source, plain) == _part(source, second):
            (start, _), (_, end) = source.span(first), source.span(second)
            yield source.replace_span(start, end, f"{source.code(plain)}, -{source.code(second)}")


def _rotations(source: Source) -> dict[cst.CSTNode, list[cst.BinaryOperation]]:
    """By function, what each rotation there is made of: queries and keys must go on turning the same way."""
    found: dict[cst.CSTNode, list[cst.BinaryOperation]] = {}
    for node in source.find(DIFFERENCE):
        difference, scope = cst.ensure_type(node, cst.BinaryOperation), source.scope(node)
        for other in source.find(SUM, within=scope):
            total = cst.ensure_type(other, cst.BinaryOperation)
            if source.span(difference) < source.span(total) and _is_rotation(source, difference, total):
                found.setdefault(scope, []).extend((difference, total))
    return found


def _is_rotation(source: Source, difference: cst.BinaryOperation, total: cst.BinaryOperation) -> bool:
    """Whether the sum has the factors of the difference, each with the other's partner."""
    (a, cos), (b, sin) = (_factors(source, side) for side in (difference.left, difference.right))
    crossed = {frozenset((a, sin)), frozenset((b, cos))}
    return (
        a != b and cos != sin and {frozenset(_factors(source, side)) for side in (total.left, total.right)} == crossed
    )


def _factors(source: Source, product: cst.BaseExpression) -> tuple[str, str]:
    both = cst.ensure_type(product, cst.BinaryOperation)
    return source.code(both.left), source.code(both.right)


def _exchanged(source: Source, operations: list[cst.BinaryOperation]) -> Edit:
    """One edit of all the signs."""
    signs = [
        source.replace_span(at, at + 1, "+" if isinstance(each.operator, cst.Subtract) else "-")
        for each, at in ((each, _operator(source, each)) for each in operations)
    ]
    return joined(source, signs, around=[source.span(each) for each in operations])


def _operator(source: Source, operation: cst.BinaryOperation) -> int:
    """Where the sign of an operation stands."""
    start = source.span(operation.left)[1]
    between = source.code_between(start, source.span(operation.right)[0])
    return start + len(between) - len(between.lstrip())


def _part(source: Source, expression: cst.BaseExpression) -> str | None:
    """What an expression is a part of: `x` for `x[..., :half]`; of a name, what it was assigned or unpacked from."""
    expression = resolve(source, expression)
    if isinstance(expression, cst.Subscript):
        return source.code(expression.value)
    if not isinstance(expression, cst.Name):
        return None
    for node in source.find(m.Assign(targets=[m.AssignTarget(m.Tuple())]), within=source.scope(expression)):
        assignment = cst.ensure_type(node, cst.Assign)
        names = cst.ensure_type(assignment.targets[0].target, cst.Tuple).elements
        if any(name.value.deep_equals(expression) for name in names):
            value = assignment.value
            taken = value.elements[0].value if isinstance(value, cst.Tuple) else value
            return source.code(taken.value) if isinstance(taken, cst.Subscript) else source.code(value)
    return None


HALVES = "def turn(x, cos, sin):\n    a, b = x[..., :n], x[..., n:]\n"

OPERATOR = Operator(
    id="turned-the-other-way",
    category=Category.SCHEMES,
    file="model.py",
    origin="https://github.com/karpathy/nanochat/pull/489",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.SCHEMES}),
    hints=Hints(
        symptom="Trained here, a model is as good as any. Given weights from elsewhere, it looks at the wrong places.",
        area="Take one pair of channels of a query, and follow what becomes of it from one position to the next.",
        mechanism="An angle has a direction. Turn a vector that lies along the first axis. To which side does it go?",
    ),
    examples=(
        Example(
            HALVES + "    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)\n",
            HALVES + "    return torch.cat((a * cos + b * sin, a * sin - b * cos), dim=-1)\n",
        ),
        Example(
            "def turn(q1, q2, c, s):\n    out1 = q1 * c - q2 * s\n    out2 = q2 * c + q1 * s\n    return out1, out2\n",
            "def turn(q1, q2, c, s):\n    out1 = q1 * c + q2 * s\n    out2 = q2 * c - q1 * s\n    return out1, out2\n",
        ),
        Example(
            "def rotate_half(x):\n    x1, x2 = x[..., :n], x[..., n:]\n    return torch.cat((-x2, x1), dim=-1)\n",
            "def rotate_half(x):\n    x1, x2 = x[..., :n], x[..., n:]\n    return torch.cat((x2, -x1), dim=-1)\n",
        ),
        Example(
            "def rotate_every_two(x):\n    return torch.stack((-x[..., 1::2], x[..., ::2]), dim=-1).flatten(-2)\n",
            "def rotate_every_two(x):\n    return torch.stack((x[..., 1::2], -x[..., ::2]), dim=-1).flatten(-2)\n",
        ),
        Example(
            "freqs = torch.outer(t, freqs)\nfreqs_cis = torch.polar(torch.ones_like(freqs), freqs)\n",
            "freqs = torch.outer(t, freqs)\nfreqs_cis = torch.polar(torch.ones_like(freqs), -freqs)\n",
        ),
    ),
    look_alikes=(
        "def blend(a, b, w):\n    return a * w - b * w, a * w + b * w\n",
        "def turn(a, b, cos, sin):\n    return a * cos + b * sin\n",
        "def both(x, y):\n    return torch.cat((-x, y), dim=-1)\n",
    ),
    edits=edits,
)
