"""The fused projection is cut into heads first, and into queries, keys and values after that.

## What it does
Swaps the order of two cuts. Every tensor has the shape that it had before.

## Why it is wrong
The output of the fused projection is laid out as all queries, all keys, all values. Cut into heads first, a head gets a
stretch of that: with three heads the first one would take queries for queries, keys and values alike.

## Symptom
Trained from nothing, the model is as good as ever, since nothing tells it which rows are whose. Loaded with weights of
a right model it is at a loss: its perplexity is that of a guess.

## How to find it
Load a checkpoint whose results are known. Or set the last third of the fused projection to zero, its biases too: with
no values to mix, every head must return zeros.
"""

from collections.abc import Iterator, Sequence

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.calls import argument
from mutations.roles.heads import DIMENSION, RESHAPE, receiver, splits
from mutations.source import Source

THREE_NAMES = m.Tuple(elements=[m.Element(m.Name()), m.Element(m.Name()), m.Element(m.Name())])
THIRDS = m.Call(func=m.Attribute(attr=m.Name("split") | m.Name("chunk")))
LAST_OF_THREE = {"2": "3", "-1": "-1"}  # the same axis once there is one more
FIVE_SIZES = m.Call(
    func=m.Attribute(attr=RESHAPE), args=[DIMENSION, DIMENSION, m.Arg(m.Integer("3")), DIMENSION, DIMENSION]
)
THIRDS_FIRST = [m.Arg(m.Integer(axis)) for axis in "20314"]


def edits(source: Source) -> Iterator[Edit]:
    """Cuts into thirds before the heads are cut, by `split` or `chunk`; and both cuts in one view."""
    for node in source.find(m.Assign(targets=[m.AssignTarget(THREE_NAMES)], value=THIRDS)):
        yield from _by_split(source, cst.ensure_type(node, cst.Assign))
    for node in source.find(m.Call(func=m.Attribute(FIVE_SIZES, m.Name("permute")), args=THIRDS_FIRST)):
        yield _by_view(source, cst.ensure_type(node, cst.Call))


def _by_split(source: Source, assignment: cst.Assign) -> Iterator[Edit]:
    cut = cst.ensure_type(assignment.value, cst.Call)
    count, axis = argument(cut, 0, "split_size_or_sections"), argument(cut, 1, "dim")
    if count is None or axis is None or source.code(axis.value) not in LAST_OF_THREE:
        return
    method = cst.ensure_type(cut.func, cst.Attribute).attr.value
    sizes = _sizes_of_heads(source, assignment)
    if sizes is None or not m.matches(count.value, m.Integer("3") if method == "chunk" else m.Name() | m.Attribute()):
        return
    batch, time, heads = sizes
    part = source.code(count.value) if method == "chunk" else f"{source.code(count.value)} // {heads}"
    (start, end), (name_start, _) = source.span(cut), source.span(cst.ensure_type(cut.func, cst.Attribute).attr)
    (count_start, count_end), (axis_start, axis_end) = source.span(count.value), source.span(axis.value)
    yield source.replace(
        cut,
        source.code_between(start, name_start)
        + f"view({batch}, {time}, {heads}, -1)."
        + source.code_between(name_start, count_start)
        + part
        + source.code_between(count_end, axis_start)
        + LAST_OF_THREE[source.code(axis.value)]
        + source.code_between(axis_end, end),
    )


def _sizes_of_heads(source: Source, assignment: cst.Assign) -> Sequence[str] | None:
    """B, T and H as the code writes them where it cuts the first of the three names into heads, further down."""
    three = cst.ensure_type(assignment.targets[0].target, cst.Tuple)
    for split in splits(source, within=source.scope(assignment)):
        *sizes, _ = split.sizes
        is_below = source.span(split.whole) > source.span(assignment)
        if is_below and receiver(split.cut).deep_equals(three.elements[0].value):
            known = all(_is_known(source, size, assignment) for size in sizes)
            return [source.code(size) for size in sizes] if known else None
    return None


def _is_known(source: Source, size: cst.BaseExpression, before: cst.CSTNode) -> bool:
    """Whether a size can be written before a statement: a name must have been assigned by then."""
    if not isinstance(size, cst.Name):
        return not m.matches(size, m.UnaryOperation())  # two sizes of -1 are one too many
    scope = source.scope(before)
    assigned = [
        name
        for target in source.find(m.AssignTarget() | m.Param(), within=scope)
        if source.span(target) < source.span(before)
        for name in source.find(m.Name(size.value), within=target)
    ]
    return bool(assigned)


def _by_view(source: Source, call: cst.Call) -> Edit:
    cut = cst.ensure_type(receiver(call), cst.Call)
    (start, end), (heads_start, heads_end) = source.span(call), source.span(cut.args[3].value)
    three_start, three_end = source.span(cut.args[2].value)
    axes = source.span(call.args[0].value)[0], source.span(call.args[2].value)[1]
    return source.replace(
        call,
        source.code_between(start, three_start)
        + source.code(cut.args[3].value)
        + source.code_between(three_end, heads_start)
        + "3"
        + source.code_between(heads_end, axes[0])
        + "3, 0, 2"
        + source.code_between(axes[1], end),
    )


OPERATOR = Operator(
    id="heads-cut-before-qkv",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/tensorflow/swift-models/pull/564",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="A model trained here is good; a good model loaded here is not.",
        area="Look at what becomes of the output of the one projection that makes queries, keys and values together.",
        mechanism="Number its output channels and write down, for each head, which of them it takes for its keys.",
    ),
    examples=(
        Example(
            "B, T, C = x.size()\n"
            "q, k, v = self.c_attn(x).split(self.n_embd, dim=2)\n"
            "q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, nh, T, hs)\n",
            "B, T, C = x.size()\n"
            "q, k, v = self.c_attn(x).view(B, T, self.n_head, -1).split(self.n_embd // self.n_head, dim=3)\n"
            "q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)  # (B, nh, T, hs)\n",
        ),
        Example(
            "def forward(self, x, B, T):\n"
            "    queries, keys, values = self.qkv(x).chunk(3, dim=-1)\n"
            "    queries = queries.view(B, T, self.heads, -1).transpose(1, 2)\n",
            "def forward(self, x, B, T):\n"
            "    queries, keys, values = self.qkv(x).view(B, T, self.heads, -1).chunk(3, dim=-1)\n"
            "    queries = queries.view(B, T, self.heads, -1).transpose(1, 2)\n",
        ),
        Example(
            "qkv = self.qkv(x).reshape(B, N, 3, self.num_heads, C // self.num_heads).permute(2, 0, 3, 1, 4)\n",
            "qkv = self.qkv(x).reshape(B, N, self.num_heads, 3, C // self.num_heads).permute(3, 0, 2, 1, 4)\n",
        ),
    ),
    look_alikes=(
        "q, k, v = self.c_attn(x).split(self.n_embd, dim=2)\n",
        "q, k, v = self.c_attn(x).split(self.n_embd, dim=2)\nB, T, C = x.size()\n"
        "q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)\n",
        "q, k, v = self.query(x), self.key(x), self.value(x)\nq = q.view(B, T, H, D).transpose(1, 2)\n",
        "patches = x.reshape(B, 3, h, p, w).permute(2, 0, 3, 1, 4)\n",
    ),
    edits=edits,
)
