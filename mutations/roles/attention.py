"""Attention: which calls make its scores, its mask and its weights, and which maps feed it and read from it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.roles.calls import argument
from mutations.roles.definition import definition
from mutations.roles.sizes import resolve
from mutations.source import Source

TRANSPOSED = m.Call(func=m.Attribute(attr=m.Name("transpose"))) | m.Attribute(attr=m.Name("mT") | m.Name("T"))
SCORES = m.BinaryOperation(operator=m.MatrixMultiply(), right=TRANSPOSED) | m.Call(
    func=m.Attribute(attr=m.Name("matmul") | m.Name("bmm")), args=[m.ZeroOrMore(), m.Arg(TRANSPOSED)]
)
EINSUM = m.Call(
    func=m.Attribute(attr=m.Name("einsum")) | m.Name("einsum"),
    args=[m.Arg(m.SimpleString()), m.Arg(star=""), m.Arg(star="")],
) | m.Call(
    func=m.Attribute(attr=m.Name("einsum")) | m.Name("einsum"),
    args=[m.Arg(star=""), m.Arg(star=""), m.Arg(m.SimpleString())],
)
SOFTMAX = m.Call(func=m.Attribute(attr=m.Name("softmax")) | m.Name("softmax"))
FUNCTIONAL = m.Name("F") | m.Name("torch") | m.Attribute(attr=m.Name("functional"))
ATTENTION = m.Name("scaled_dot_product_attention")
FUSED = m.Call(func=m.Attribute(attr=ATTENTION) | ATTENTION)
NUMBER = m.Integer() | m.Float()
LINEAR = m.Call(func=m.Attribute(attr=m.Name("Linear") | m.Name("Conv1D")) | m.Name("Linear") | m.Name("Conv1D"))
MINUS_INFINITY = (
    m.Call(func=m.Name("float"), args=[m.Arg(m.SimpleString(value=m.MatchRegex(r"""["']-inf["']""")))])
    | m.UnaryOperation(operator=m.Minus(), expression=m.Attribute(attr=m.Name("inf")) | m.Call(func=m.Name("float")))
    | m.UnaryOperation(operator=m.Minus(), expression=m.Float() | m.Integer())
    | m.Attribute(value=m.Call(func=m.Attribute(attr=m.Name("finfo"))), attr=m.Name("min"))
)
FILLED = m.Call(
    func=m.Attribute(attr=m.OneOf(*map(m.Name, ("ones", "ones_like", "full", "full_like", "new_ones", "new_full"))))
    | m.Name("ones")
)
ZEROS = m.Call(func=m.Attribute(attr=m.OneOf(*map(m.Name, ("zeros", "zeros_like", "new_zeros", "empty")))))
# The diagonal of a right mask: triu marks what is forbidden and starts above the main diagonal, tril marks what is
# allowed and ends on it, which is also the default.
CAUSAL = {"triu": "1", "tril": "0"}


class Triangle(NamedTuple):
    """A triangular matrix cut at the causal diagonal."""

    call: cst.Call
    name: str
    diagonal: cst.Arg | None
    is_function: bool


class Fill(NamedTuple):
    """`scores.masked_fill(mask, value)`, in place or not, with minus infinity or something close to it."""

    call: cst.Call
    scores: cst.BaseExpression
    mask: cst.BaseExpression
    value: cst.BaseExpression


class Softmax(NamedTuple):
    """The softmax that turns scores into weights, and what it says of its axis."""

    call: cst.Call
    dim: cst.Arg | None


class Scale(NamedTuple):
    """Scores, or what they are made of, over the root of the width, or times its inverse.

    Attributes:
        node: the operation, `scores / math.sqrt(D)`, or the statement `scores /= math.sqrt(D)`.
        root: where the root is taken: here, or where the name of the factor was defined.
    """

    node: cst.BinaryOperation | cst.AugAssign
    scaled: cst.BaseExpression
    factor: cst.BaseExpression
    root: cst.Call | cst.BinaryOperation
    size: cst.BaseExpression


class Inputs(NamedTuple):
    """What attends, what it is compared with, and what it takes a mean of.

    Attributes:
        node: the call of an attention function, or the product of queries and keys.
        output: what gives the result: the same call, or the product of weights and values.
    """

    node: cst.CSTNode
    output: cst.CSTNode
    query: cst.BaseExpression
    key: cst.BaseExpression
    value: cst.BaseExpression


def triangles(source: Source) -> Iterator[Triangle]:
    """Triangles cut at the causal diagonal, as a method or as a function of torch."""
    for node in source.find(m.Call(func=m.Attribute(attr=m.Name("triu") | m.Name("tril")))):
        call = cst.ensure_type(node, cst.Call)
        func = cst.ensure_type(call.func, cst.Attribute)
        name, is_function = func.attr.value, m.matches(func.value, m.Name("torch"))
        diagonal = argument(call, 1 if is_function else 0, "diagonal")
        if not _is_matrix_of_a_mask(source, call, is_function=is_function) or _is_counted(source, call):
            continue
        given = diagonal is not None and m.matches(diagonal.value, m.Integer(CAUSAL[name]))
        implied = diagonal is None and name == "tril" and not any(arg.star for arg in call.args)
        if given or implied:
            yield Triangle(call, name, diagonal, is_function)


def _is_counted(source: Source, call: cst.Call) -> bool:
    """Whether a triangle picks entries of a matrix, is added up, or multiplied by one: what a mask is not for."""
    node: cst.CSTNode = call
    while isinstance(parent := source.parent(node), cst.Comparison | cst.UnaryOperation | cst.Attribute | cst.Call):
        if isinstance(parent, cst.Attribute) and parent.attr.value in ("sum", "cumsum", "nonzero", "count_nonzero"):
            return True
        if isinstance(parent, cst.Call) and parent.func is not node:
            break
        node = parent
    return m.matches(parent, m.Index() | m.BinaryOperation(operator=m.MatrixMultiply()))


def _is_matrix_of_a_mask(source: Source, call: cst.Call, *, is_function: bool) -> bool:
    """Whether a triangle is cut out of ones or the like, or out of something that is called so."""
    matrix = call.args[0].value if is_function and call.args else cst.ensure_type(call.func, cst.Attribute).value
    value = resolve(source, matrix)
    if any(word in source.code(matrix).lower() for word in ("mask", "ones")):
        return True
    while isinstance(value, cst.Call) and m.matches(value.func, m.Attribute()) and not m.matches(value, FILLED):
        value = cst.ensure_type(value.func, cst.Attribute).value
    return m.matches(value, FILLED)


def score_products(source: Source, within: cst.CSTNode | None = None) -> list[cst.CSTNode]:
    """Products of queries and transposed keys: those that share a function with a softmax."""
    products = [node for node in source.find(SCORES | EINSUM, within=within) if _makes_scores(node)]
    return [node for node in products if source.find(SOFTMAX, within=source.scope(node))]


def _makes_scores(product: cst.CSTNode) -> bool:
    """Whether a product is one of queries and transposed keys; `...qd,...kd->...qk` says so by its letters."""
    if not m.matches(product, EINSUM):
        return m.matches(product, SCORES)
    parts = [_axes(part) for part in re.split(",|->", _equation(cst.ensure_type(product, cst.Call)))]
    if len(parts) != 3:
        return False
    queries, keys, scores = parts
    if not len(queries) == len(keys) == len(scores) >= 2:
        return False
    is_summed = queries[-1] == keys[-1] and keys[-1] not in scores
    return is_summed and scores[-2] not in keys and scores[-1] not in queries


def _equation(call: cst.Call) -> str:
    """An einsum's equation: first, or last where it is einops'."""
    equation = next(arg.value for arg in call.args if isinstance(arg.value, cst.SimpleString))
    return str(cst.ensure_type(equation, cst.SimpleString).evaluated_value)


def _axes(part: str) -> list[str]:
    """The names of axes: letters, or words with spaces between them."""
    words = part.replace("...", " ").split()
    return words if len(words) > 1 else list("".join(words))


def attends(source: Source, node: cst.CSTNode) -> bool:
    """Whether a node stands in a function that makes scores and weights."""
    return bool(score_products(source, within=source.scope(node)))


def operands(product: cst.CSTNode) -> tuple[cst.BaseExpression, cst.BaseExpression]:
    """What a matrix product multiplies, as an operator, as a function or as a method."""
    if isinstance(product, cst.BinaryOperation):
        return product.left, product.right
    call = cst.ensure_type(product, cst.Call)
    factors = [arg.value for arg in call.args if not isinstance(arg.value, cst.SimpleString)]
    if len(factors) >= 2:
        return factors[-2], factors[-1]
    return cst.ensure_type(call.func, cst.Attribute).value, call.args[0].value


def transposed(expression: cst.BaseExpression) -> cst.BaseExpression:
    """What an expression transposes; any other is left as it is."""
    if not m.matches(expression, TRANSPOSED):
        return expression
    if isinstance(expression, cst.Call):
        expression = expression.func
    return cst.ensure_type(expression, cst.Attribute).value


def fills(source: Source) -> Iterator[Fill]:
    """Where the scores of attention are masked."""
    for node in source.find(m.Call(func=m.Attribute(attr=m.Name("masked_fill") | m.Name("masked_fill_")))):
        call = cst.ensure_type(node, cst.Call)
        mask, value = argument(call, 0, "mask"), argument(call, 1, "value")
        if mask is not None and value is not None and m.matches(value.value, MINUS_INFINITY) and attends(source, call):
            yield Fill(call, cst.ensure_type(call.func, cst.Attribute).value, mask.value, value.value)


def fills_scores(source: Source, fill: Fill) -> bool:
    """Whether it is scores that are filled, and not a mask made of numbers that is added to them."""
    made = source.find(FILLED | ZEROS, within=resolve(source, fill.scores))
    return not made and "mask" not in source.code(fill.scores).lower()


def scales(source: Source) -> Iterator[Scale]:
    """Where the scores of attention are scaled."""
    over = m.BinaryOperation(operator=m.Divide()) | m.AugAssign(operator=m.DivideAssign())
    times = m.BinaryOperation(operator=m.Multiply()) | m.AugAssign(operator=m.MultiplyAssign())
    for node in source.find(over | times):
        if not attends(source, node):
            continue
        pairs: list[tuple[cst.BaseExpression, cst.BaseExpression]]
        if isinstance(node, cst.AugAssign):
            pairs = [(node.target, node.value)]
        else:
            operation = cst.ensure_type(node, cst.BinaryOperation)
            pairs = [(operation.left, operation.right)]
            if m.matches(node, times):
                pairs.append((operation.right, operation.left))
        for scaled, factor in pairs:
            root = _root(definition(source, factor), inverse=m.matches(node, times))
            if root is not None and not m.matches(scaled, NUMBER) and not _is_called_scale(source, scaled):
                assert isinstance(node, cst.BinaryOperation | cst.AugAssign)
                size = root.args[0].value if isinstance(root, cst.Call) else root.left
                yield Scale(node, scaled, factor, root, size)


def _is_called_scale(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether an expression is another factor, and no scores: `scale * self.mscale`."""
    name = source.code(expression).split(".")[-1] if isinstance(expression, cst.Name | cst.Attribute) else ""
    return "scale" in name.lower()


def softmaxes(source: Source) -> Iterator[Softmax]:
    """The softmax of attention, as a method, as a function or as a module made on the spot."""
    for node in source.find(SOFTMAX | m.Call(func=m.Attribute(attr=m.Name("Softmax")) | m.Name("Softmax"))):
        call = cst.ensure_type(node, cst.Call)
        if attends(source, call):
            is_function = m.matches(call.func, m.Name("softmax") | m.Attribute(FUNCTIONAL, m.Name("softmax")))
            yield Softmax(call, argument(call, 1 if is_function else 0, "dim"))


def softmax_input(softmax: Softmax) -> cst.BaseExpression | None:
    """What a softmax is taken of: its first argument, or the tensor whose method it is."""
    func = softmax.call.func
    if isinstance(func, cst.Attribute) and not m.matches(func.value, FUNCTIONAL):
        return func.value if func.attr.value == "softmax" else None
    return softmax.call.args[0].value if softmax.call.args else None


def inputs(source: Source) -> list[Inputs]:
    """Where queries, keys and values meet: calls of a function that attends, of torch's own, or the products inline."""
    return sorted(_inputs(source), key=lambda found: source.span(found.node))


def linear_calls(source: Source, expression: cst.BaseExpression) -> list[cst.Call]:
    """Calls of linear layers of self that an expression, or what its name was first assigned, is made of."""
    layers = [m.Name(name) for name in _linear_layers(source)]
    if not layers:
        return []
    matcher = m.Call(func=m.Attribute(value=m.Name("self"), attr=m.OneOf(*layers)))
    found = source.find(matcher, within=resolve(source, expression))
    return [cst.ensure_type(node, cst.Call) for node in found]


def output_projections(source: Source) -> list[cst.Call]:
    """Linear layers that keep the width, called on what attention returned, in the order of the text."""
    projections: list[cst.Call] = []
    for found in inputs(source):
        scope = source.scope(found.node)
        made = _made_of(source, found.output, scope)
        for node in source.find(m.Call(func=m.Attribute(value=m.Name("self")), args=[m.Arg()]), within=scope):
            call = cst.ensure_type(node, cst.Call)
            if _reads_any(source, call.args[0].value, found.output, made) and _keeps_width(source, call):
                projections += [] if call in projections else [call]  # two ways to attend may share one
    return sorted(projections, key=source.span)


def grows(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether something is longer than what is new, as keys are that a cache gives, or that are joined to older ones.

    `k = torch.cat((past.k, k))`, `k, v = cache.update(k, v)` and `k = self.cache_k[:, :end]`, reshaped since or not.
    """
    while m.matches(expression, m.Call(func=m.Attribute()) | m.Attribute() | m.Subscript()):
        if isinstance(expression, cst.Call):
            expression = expression.func
        assert isinstance(expression, cst.Attribute | cst.Subscript)
        expression = expression.value
    if not isinstance(expression, cst.Name):
        return False
    name = m.Name(expression.value)
    several = m.Tuple(elements=[m.ZeroOrMore(), m.Element(name), m.ZeroOrMore()])
    joined = m.Call(func=m.Attribute(attr=m.OneOf(*map(m.Name, ("cat", "concat", "update")))))
    kept = m.Name(m.MatchRegex(".*cache.*"))
    for node in source.find(m.Assign(targets=[m.AssignTarget(name | several)]), within=source.scope(expression)):
        value = cst.ensure_type(node, cst.Assign).value
        if m.matches(value, joined) or (isinstance(value, cst.Subscript) and source.find(kept, within=value)):
            return True
    return False


def _inputs(source: Source) -> Iterator[Inputs]:
    for function, places in _attention_functions(source):
        for node in source.find(m.Call(func=m.Name(function) | m.Attribute(attr=m.Name(function)))):
            yield from _of_call(cst.ensure_type(node, cst.Call), places)
    for node in source.find(FUSED):
        yield from _of_call(cst.ensure_type(node, cst.Call), ((0, "query"), (1, "key"), (2, "value")))
    for product in score_products(source):
        query, key = operands(product)
        mixing = _mixing(source, product)
        if mixing is not None and not _is_parameter(source, query):
            yield Inputs(product, mixing, query, transposed(key), operands(mixing)[1])


def _attention_functions(source: Source) -> Iterator[tuple[str, tuple[tuple[int, str], ...]]]:
    """Functions whose parameters are query, key and value: their names, and the place and name of each of the three.

    They may stand in another file of the package.
    """
    for here in (source, *source.beside):
        for product in score_products(here):
            function, mixing = here.scope(product), _mixing(here, product)
            if not isinstance(function, cst.FunctionDef) or mixing is None:
                continue
            query, key = operands(product)
            names = [param.name.value for param in function.params.params if param.name.value != "self"]
            wanted = [here.code(query), here.code(transposed(key)), here.code(operands(mixing)[1])]
            if set(wanted) <= set(names):
                yield function.name.value, tuple((names.index(name), name) for name in wanted)


def _of_call(call: cst.Call, places: tuple[tuple[int, str], ...]) -> Iterator[Inputs]:
    given = [argument(call, place, name) for place, name in places]
    query, key, value = (None if arg is None else arg.value for arg in given)
    if query is not None and key is not None and value is not None:
        yield Inputs(call, call, query, key, value)


def _mixing(source: Source, scores: cst.CSTNode) -> cst.CSTNode | None:
    """The product of weights and values: the first whose right side comes after the scores."""
    by_name = m.Call(func=m.Attribute(attr=m.Name("matmul") | m.Name("bmm")))
    product = m.OneOf(m.BinaryOperation(operator=m.MatrixMultiply()), by_name, EINSUM)
    for node in source.find(product, within=source.scope(scores)):
        if not _makes_scores(node) and source.span(operands(node)[1])[0] > source.span(scores)[1]:
            return node
    return None


def _is_parameter(source: Source, expression: cst.BaseExpression) -> bool:
    function = source.scope(expression)
    return isinstance(function, cst.FunctionDef) and any(
        param.name.deep_equals(expression) for param in function.params.params
    )


def _linear_layers(source: Source) -> set[str]:
    """Names of layers: of a class of another file, a class of this one may be derived."""
    made = m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))], value=LINEAR)
    nodes = [node for here in (source, *source.beside) for node in here.find(made)]
    targets = [cst.ensure_type(node, cst.Assign).targets[0].target for node in nodes]
    return {cst.ensure_type(target, cst.Attribute).attr.value for target in targets}


def _made_of(source: Source, output: cst.CSTNode, scope: cst.CSTNode) -> set[str]:
    """Names in a function that hold what attention returned, reshaped or not."""
    made: set[str] = set()
    for node in source.find(m.Assign(targets=[m.AssignTarget(m.Name())]), within=scope):
        assignment = cst.ensure_type(node, cst.Assign)
        if _reads_any(source, assignment.value, output, made):
            made.add(cst.ensure_type(assignment.targets[0].target, cst.Name).value)
    return made


def _reads_any(source: Source, expression: cst.CSTNode, output: cst.CSTNode, names: set[str]) -> bool:
    """Whether an expression holds the output of attention, or reads one of the names."""
    start, end = source.span(expression)
    found = {cst.ensure_type(name, cst.Name).value for name in source.find(m.Name(), within=expression)}
    return start <= source.span(output)[0] < end or bool(found & names)


def _keeps_width(source: Source, call: cst.Call) -> bool:
    """Whether the called layer of self is a linear map with as many outputs as inputs."""
    name = cst.ensure_type(call.func, cst.Attribute).attr.value
    family = _family(source, call)
    assigned = m.Assign(targets=[m.AssignTarget(m.Attribute(m.Name("self"), m.Name(name)))], value=LINEAR)
    for kin in family:
        for node in source.find(assigned, within=kin):
            layer = cst.ensure_type(cst.ensure_type(node, cst.Assign).value, cst.Call)
            inputs_, outputs = argument(layer, 0, "in_features"), argument(layer, 1, "out_features")
            return inputs_ is not None and outputs is not None and inputs_.value.deep_equals(outputs.value)
    return False


def _family(source: Source, node: cst.CSTNode) -> list[cst.CSTNode]:
    """The class around a node, and the classes of the file that it inherits from."""
    while not isinstance(node, cst.ClassDef | cst.Module):
        node = source.parent(node)
    family: list[cst.CSTNode] = [node]
    for kin in family:
        for base in kin.bases if isinstance(kin, cst.ClassDef) else ():
            if isinstance(base.value, cst.Name):
                family += source.find(m.ClassDef(name=m.Name(base.value.value)))
    return family


def _root(factor: cst.BaseExpression, *, inverse: bool) -> cst.Call | cst.BinaryOperation | None:
    """The square root in a factor that is a root, or the inverse of one."""
    if inverse and m.matches(factor, m.BinaryOperation(left=NUMBER, operator=m.Divide())):
        return _root(cst.ensure_type(factor, cst.BinaryOperation).right, inverse=False)
    half = m.Float(value="0.5")
    exponent = m.UnaryOperation(operator=m.Minus(), expression=half) if inverse else half
    function = m.Attribute(attr=m.Name("sqrt")) | m.Name("sqrt")
    if not inverse and isinstance(factor, cst.Call) and m.matches(factor, m.Call(func=function, args=[m.Arg()])):
        return factor
    if isinstance(factor, cst.BinaryOperation) and m.matches(
        factor, m.BinaryOperation(operator=m.Power(), right=exponent)
    ):
        return factor
    return None
