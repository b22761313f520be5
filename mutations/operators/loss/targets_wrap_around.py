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

ARRAYS = m.Attribute(value=m.Name("np") | m.Name("numpy"))
# What gives a list or an array, and what takes one: neither can be rolled as a tensor can.
GIVES = ("encode", "encode_ordinary", "list", "tolist", "split", "load", "memmap", "read", "ids", "input_ids")
TAKES = ("from_numpy", "tensor", "as_tensor", "astype", "LongTensor", "asarray", "array")
OF_TORCH = m.Call(func=m.Attribute(value=m.Name("torch")))
SHAPES = ("view", "reshape")


def edits(source: Source) -> Iterator[Edit]:
    """The later one of two windows on a tensor: the earlier one, rolled along its last dimension.

    Of a flat window that is cut into rows afterwards only the very last target would be wrong.
    """
    for shift in shifts(source):
        last = len(shift.tokens.slice) - 1
        roll = f"roll(-1, dims={last})" if last else "roll(-1)"
        is_cut = not last and _is_given_to(source, shift.targets, SHAPES)
        is_list = _is_given_to(source, shift.targets, TAKES) or _is_no_tensor(source, shift.targets.value)
        if not is_cut and not is_list:
            yield source.replace(shift.targets, f"{source.code(shift.tokens)}.{roll}")


def _is_given_to(source: Source, window: cst.Subscript, functions: tuple[str, ...]) -> bool:
    """Whether a function is called on a window or with it, at once or by the name that holds it."""
    node: cst.CSTNode = window
    while isinstance(parent := source.parent(node), cst.BaseExpression | cst.Arg | cst.Element | cst.Attribute):
        node = parent
        if isinstance(node, cst.Call) and (function_name(node) in functions or _is_numpys(source, node, functions)):
            return True
    return any(
        function_name(call) in functions and _is_about(source, call, name)
        for name in _holders(source, window, parent)
        for call in _calls(source, source.scope(window))
    )


def _holders(source: Source, window: cst.Subscript, around: cst.CSTNode) -> list[str]:
    """The names that hold a window after its statement: what it is assigned to, or the list that it is put in."""
    if isinstance(around, cst.Assign):
        target, value = around.targets[0].target, around.value
        if isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
            pairs = zip(target.elements, value.elements, strict=False)
            return [source.code(name.value) for name, element in pairs if element.value is window]
        return [source.code(target)]
    if isinstance(around, cst.Expr) and m.matches(around.value, m.Call(func=m.Attribute(attr=m.Name("append")))):
        function = cst.ensure_type(cst.ensure_type(around.value, cst.Call).func, cst.Attribute)
        return [source.code(function.value)]
    return []


def _is_about(source: Source, call: cst.Call, name: str) -> bool:
    """Whether a call is given a name, or is a method of it."""
    of = call.func.value if isinstance(call.func, cst.Attribute) else call.func
    return source.code(of) == name or any(source.code(arg.value) == name for arg in call.args)


def _calls(source: Source, within: cst.CSTNode) -> Iterator[cst.Call]:
    for node in source.find(m.Call(), within=within):
        yield cst.ensure_type(node, cst.Call)


def _is_numpys(source: Source, call: cst.Call, functions: tuple[str, ...]) -> bool:
    return functions is TAKES and m.matches(call.func, ARRAYS)


def _is_no_tensor(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether a sequence is a list or an array: by how it was made, anywhere in the file."""
    assigned = source.find(m.Assign() | m.AnnAssign())
    for node in assigned:
        assert isinstance(node, cst.Assign | cst.AnnAssign)
        targets = [node.target] if isinstance(node, cst.AnnAssign) else [target.target for target in node.targets]
        if node.value is None or not any(target.deep_equals(expression) for target in targets):
            continue
        is_made_a_tensor = m.matches(node.value, OF_TORCH) or any(
            function_name(call) in TAKES for call in _calls(source, node.value)
        )
        made = [call for call in _calls(source, node.value) if function_name(call) in GIVES]
        if not is_made_a_tensor and (made or source.find(ARRAYS | m.ListComp() | m.List(), within=node.value)):
            return True
    return False


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
            "chunk = torch.stack([data[i : i + T + 1] for i in ix])\nx, y = chunk[:, :-1], chunk[:, 1:]\n",
            "chunk = torch.stack([data[i : i + T + 1] for i in ix])\n"
            "x, y = chunk[:, :-1], chunk[:, :-1].roll(-1, dims=1)\n",
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
        "x = buf[:-1]\ny = buf[1:]\nreturn_ = x.view(B, T), y.view(B, T)\n",
        "ids = enc.encode(text)\nx, y = ids[:-1], ids[1:]\n",
        "x = data[i : i + n]\ny = data[i + 1 : i + n + 1]\npairs.append((torch.tensor(x), torch.tensor(y)))\n",
        "x = np.stack([data[i : i + n] for i in ix])\ny = np.stack([data[i + 1 : i + 1 + n] for i in ix])\n",
        "head, rest = x[:1], x[1:]\n",
        "a, b = x[:, :-1], x[:, 2:]\n",
    ),
    edits=edits,
)
