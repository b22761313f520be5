"""Measuring a gradient frees what the losses were computed from, and the update has nothing left to differentiate.

## What it does
Takes a gradient without asking for the graph to be kept.

## Why it is wrong
The weight is worked out to be used: right afterwards the total is differentiated, which is made of the same losses.
What they were computed from has been thrown away by then.

## Symptom
An error says that somebody tried to go backward through the graph a second time. It is raised where the gradient is
wanted next, which may be far from here.

## How to find it
Read which of the two calls came first, and ask of everything between it and the error whether it differentiates too.
"""

from collections.abc import Iterator
from itertools import pairwise

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.weighting import compared_gradients
from mutations.source import Source

KEPT = m.Arg(keyword=m.Name("retain_graph"), value=m.Name("True"))


def edits(source: Source) -> Iterator[Edit]:
    """What keeps the graph, where gradients of several losses are taken."""
    for call in compared_gradients(source):
        for before, arg in pairwise(call.args):
            if m.matches(arg, KEPT):
                _, start = source.span(before)
                yield source.replace_span(start, source.span(arg)[1], "")


HEAD = "def norms(a, b, w):\n"

OPERATOR = Operator(
    id="graph-freed-too-soon",
    category=Category.WEIGHTING,
    file="train.py",
    origin="https://github.com/naver-ai/StyleMapGAN/issues/16",
    story=__doc__,
    visibility=Visibility.CRASH,
    distance=Distance.FAR,
    needs=frozenset({Part.WEIGHTING}),
    hints=Hints(
        symptom="The update fails with an error about going backward twice, where it only does so once.",
        area="The error is raised where somebody comes second. Look for who came first.",
        mechanism="To look at a gradient uses up what it is computed from, unless one says otherwise.",
    ),
    examples=(
        Example(
            HEAD + "    x = torch.autograd.grad(a, w, retain_graph=True)\n    return x, torch.autograd.grad(b, w)\n",
            HEAD + "    x = torch.autograd.grad(a, w)\n    return x, torch.autograd.grad(b, w)\n",
        ),
        Example(
            HEAD
            + "    x = autograd.grad(a, w)\n    return x, autograd.grad(b, w, retain_graph=True, allow_unused=True)\n",
            HEAD + "    x = autograd.grad(a, w)\n    return x, autograd.grad(b, w, allow_unused=True)\n",
        ),
    ),
    look_alikes=(
        "def norm(loss, w):\n    return torch.autograd.grad(loss, w, retain_graph=True)[0].norm()\n",
        "loss.backward(retain_graph=True)\nother.backward()\n",
        HEAD + "    return autograd.grad(a, w, create_graph=True), autograd.grad(b, w)\n",
    ),
    edits=edits,
)
