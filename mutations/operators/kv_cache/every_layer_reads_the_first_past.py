"""Every layer reads the cached keys and values of the first layer.

## What it does
Passes the first entry of the cache to every block instead of the block's own.

## Why it is wrong
Each layer has its own maps for keys and values and its own input. The second layer cannot make sense of what the first
one has cached, although the shapes fit.

## Symptom
Training is untouched and the first chunk is right. Later chunks are wrong in every model of more than one layer. With a
single layer nothing shows.

## How to find it
Change what is cached for the last layer: the next logits must move. Here it is never read.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.reads import reads
from mutations.source import Source

TWO_NAMES = m.Tuple(elements=[m.Element(m.Name()), m.Element(m.Name())])
ZIPPED = m.Call(func=m.Name("zip"), args=[m.Arg(keyword=None), m.Arg(m.Name(), keyword=None), m.ZeroOrMore()])
COUNTED = m.Call(func=m.Name("enumerate"), args=[m.Arg()])
STEP = m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(TWO_NAMES)], value=m.Call())])


def edits(source: Source) -> Iterator[Edit]:
    """Loops over the blocks whose first line hands each block its part of the cache, and gets the next part back."""
    for node in source.find(m.For(target=TWO_NAMES, iter=ZIPPED | COUNTED)):
        loop = cst.ensure_type(node, cst.For)
        step = loop.body.body[0]
        if not m.matches(step, STEP):
            continue
        names = [element.value for element in cst.ensure_type(loop.target, cst.Tuple).elements]
        if m.matches(loop.iter, ZIPPED):
            yield from _zipped(source, loop, names, step)
        else:
            yield from _counted(source, loop, names[0], step)


def _zipped(source: Source, loop: cst.For, names: list[cst.BaseExpression], step: cst.CSTNode) -> Iterator[Edit]:
    """`for block, past in zip(blocks, pasts)`: only the blocks are left to go through."""
    block, past = names
    blocks, pasts = (arg.value for arg in cst.ensure_type(loop.iter, cst.Call).args[:2])
    uses = reads(source, past, within=loop.body)
    called = source.find(m.Call(func=m.Name(cst.ensure_type(block, cst.Name).value) | m.Attribute()), within=step)
    if len(uses) != 1 or not called or not reads(source, past, within=step):
        return
    (start, _), (_, end) = source.span(loop.target), source.span(uses[0])
    between = source.code_between(source.span(loop.iter)[1], source.span(uses[0])[0])
    header = f"{source.code(block)} in {source.code(blocks)}"
    yield source.replace_span(start, end, f"{header}{between}{source.code(pasts)}[0]")


def _counted(source: Source, loop: cst.For, index: cst.BaseExpression, step: cst.CSTNode) -> Iterator[Edit]:
    """`pasts[i]` in a loop that needs i for something else too."""
    subscripts = m.SubscriptElement(m.Index(m.Name(cst.ensure_type(index, cst.Name).value)))
    for node in source.find(m.Subscript(value=m.Name() | m.Attribute(), slice=[subscripts]), within=step):
        if len(reads(source, index, within=loop.body)) > 1:
            yield source.replace_within(node, cst.ensure_type(node, cst.Subscript).slice[0], "0")


OPERATOR = Operator(
    id="every-layer-reads-the-first-past",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/NVIDIA/TensorRT-LLM/pull/2682",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="A shallow model decodes as it should with a cache, and a deeper one does not.",
        area="Look at how the parts of the cache find their way to those that wrote them.",
        mechanism="Take as many different parts as there are, and note who gets which.",
    ),
    examples=(
        Example(
            "def run(self, x, pasts):\n    kept = []\n    for block, past in zip(self.blocks, pasts, strict=True):\n"
            "        x, present = block(x, past)\n        kept.append(present)\n    return x, kept\n",
            "def run(self, x, pasts):\n    kept = []\n    for block in self.blocks:\n"
            "        x, present = block(x, pasts[0])\n        kept.append(present)\n    return x, kept\n",
        ),
        Example(
            "for block, kv in zip(h, caches):  # bottom up\n    x, kv_new = block.decode(x, cache=kv)\n"
            "    new.append(kv_new)\n",
            "for block in h:  # bottom up\n    x, kv_new = block.decode(x, cache=caches[0])\n    new.append(kv_new)\n",
        ),
        Example(
            "for i, block in enumerate(h):\n    x, kv = block(x, pasts[i])\n    new[i] = kv\n",
            "for i, block in enumerate(h):\n    x, kv = block(x, pasts[0])\n    new[i] = kv\n",
        ),
    ),
    look_alikes=(
        "for block, past in zip(blocks, pasts):\n    log(past)\n    x, kv = block(x, past)\n",
        "for block, past in zip(blocks, pasts):\n    x, kv = block(x, past, past.size(2))\n",
        "for i, block in enumerate(h):\n    x, kv = block(x, pasts[i])\n",
        "for x, y in zip(xs, ys):\n    a = f(x, y)\n",
    ),
    edits=edits,
)
