"""Query heads that share a key head are dealt out in turn, and not in groups.

## What it does
Repeats the heads of keys and values one after the other as a whole, `0 1 0 1`, in place of each by itself, `0 0 1 1`.

## Why it is wrong
Which query heads belong to which key head is fixed by the weights: the first group belongs to the first. With the other
order most queries are compared with the keys of another group.

## Symptom
None in training from nothing: the heads find partners. With weights from elsewhere the text is nonsense, and with one
key head, or as many as query heads, everything is right.

## How to find it
With two key heads and four query heads, silence the first key head: the first two query heads must feel it.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.calls import argument
from mutations.source import Source

AXES = ("1", "2")
FIVE = 5
UNSQUEEZED = m.Call(
    func=m.Attribute(
        value=m.Call(func=m.Attribute(attr=m.Name("unsqueeze")), args=[m.Arg(m.Integer(), keyword=None)]),
        attr=m.Name("expand") | m.Name("repeat"),
    ),
    args=[m.Arg(keyword=None, star="")] * FIVE,
)


def edits(source: Source) -> Iterator[Edit]:
    """Heads that are repeated by `repeat_interleave`, or over an axis that is put in behind them."""
    for node in source.find(m.Call(func=m.Attribute(attr=m.Name("repeat_interleave")))):
        call = cst.ensure_type(node, cst.Call)
        is_function = m.matches(call.func, m.Attribute(value=m.Name("torch")))
        count = argument(call, 1 if is_function else 0, "repeats")
        axis = argument(call, 2 if is_function else 1, "dim")
        if count is None or axis is None or source.code(axis.value) not in AXES:
            continue
        heads = call.args[0].value if is_function else cst.ensure_type(call.func, cst.Attribute).value
        times = ["1"] * 4
        times[int(source.code(axis.value))] = source.code(count.value)
        yield source.replace(call, f"{source.code(heads)}.repeat({', '.join(times)})")
    for node in source.find(UNSQUEEZED):
        yield from _axis_unsqueezed_behind(source, cst.ensure_type(node, cst.Call))
    expanded = m.Call(func=m.Attribute(value=m.Subscript(), attr=m.Name("expand")), args=[m.Arg(keyword=None)] * FIVE)
    for node in source.find(expanded):
        yield from _axis_before_the_heads(source, cst.ensure_type(node, cst.Call))


def _axis_unsqueezed_behind(source: Source, call: cst.Call) -> Iterator[Edit]:
    """`x.unsqueeze(2).expand(B, heads, groups, T, D)`, or with -1 for what stays, with the new axis a place earlier."""
    view = cst.ensure_type(cst.ensure_type(call.func, cst.Attribute).value, cst.Call)
    axis, sizes = view.args[0].value, [source.code(arg.value) for arg in call.args]
    new = int(source.code(axis))
    if new < 2:
        return
    if source.code(cst.ensure_type(call.func, cst.Attribute).attr) == "repeat" and sizes[new - 1] != "1":
        return
    sizes[new - 1], sizes[new] = sizes[new], sizes[new - 1]
    (start, axis_end), (first, _), (_, end) = source.span(axis), source.span(call.args[0]), source.span(call.args[-1])
    yield source.replace_span(start, end, f"{new - 1}{source.code_between(axis_end, first)}{', '.join(sizes)}")


def _axis_before_the_heads(source: Source, call: cst.Call) -> Iterator[Edit]:
    """`x[:, :, None].expand(B, heads, groups, ...)`, with the new axis and its size one place earlier."""
    view = cst.ensure_type(cst.ensure_type(call.func, cst.Attribute).value, cst.Subscript)
    places = [source.code(element.slice) for element in view.slice]
    if places[-1:] == ["None"] and len(places) < FIVE:  # axes that are not named stand for themselves
        places += [":"] * (FIVE - len(places))
    if len(places) != FIVE or sorted(places) != [":"] * 4 + ["None"]:
        return
    new = places.index("None")
    if new < 2:  # an axis before that of the heads is none of theirs
        return
    places[new - 1], places[new] = places[new], places[new - 1]
    sizes = [source.code(arg.value) for arg in call.args]
    sizes[new - 1], sizes[new] = sizes[new], sizes[new - 1]
    (start, _), (_, end) = source.span(view.slice[0]), source.span(call.args[-1])
    middle = source.code_between(source.span(view.slice[-1])[1], source.span(call.args[0])[0])
    yield source.replace_span(start, end, ", ".join(places) + middle + ", ".join(sizes))


OPERATOR = Operator(
    id="key-heads-tiled",
    category=Category.HEADS,
    file="model.py",
    origin="https://github.com/ekzhang/jax-js/pull/180",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.HEADS}),
    hints=Hints(
        symptom="With as many key heads as query heads, or with one, all is well; in between the outputs are wrong.",
        area="Silence one key head, and list the query heads that notice.",
        mechanism="There are two ways to make four out of two. Say both aloud, and then look which one is meant.",
    ),
    examples=(
        Example(
            "k = k.repeat_interleave(self.n_head // self.n_kv_head, dim=1)\n",
            "k = k.repeat(1, self.n_head // self.n_kv_head, 1, 1)\n",
        ),
        Example(
            "v = torch.repeat_interleave(v, repeats=n_rep, dim=2)\n",
            "v = v.repeat(1, 1, n_rep, 1)\n",
        ),
        Example(
            "k = k.unsqueeze(2).expand(-1, -1, n, -1, -1).reshape(B, -1, T, D)\n",
            "k = k.unsqueeze(1).expand(-1, n, -1, -1, -1).reshape(B, -1, T, D)\n",
        ),
        Example(
            "k = k[:, :, None].expand(B, n_kv, n, T, D).flatten(1, 2)\n",
            "k = k[:, None, :, :, :].expand(B, n, n_kv, T, D).flatten(1, 2)\n",
        ),
        Example(
            "x = x[:, :, :, None, :].expand(B, T, n_kv, n_rep, D).reshape(B, T, n_kv * n_rep, D)\n",
            "x = x[:, :, None, :, :].expand(B, T, n_rep, n_kv, D).reshape(B, T, n_kv * n_rep, D)\n",
        ),
    ),
    look_alikes=(
        "k = k.repeat(1, n_rep, 1, 1)\n",
        "m = mask[:, None, :, :, :].expand(B, H, G, T, S)\n",
        "x = x.repeat_interleave(2, dim=-1)\n",
    ),
    edits=edits,
)
