"""Generation builds the graph for a backward pass that never comes.

## What it does
Removes the decorator that turns gradients off while a text is continued.

## Why it is wrong
With gradients on, the keys and values that are kept for later refer to all that they were computed by. The graph grows
with each token, and is only let go with the last of them.

## Symptom
The text is the same. Memory grows with its length, far beyond what keys and values take, until it runs out.

## How to find it
Continue a text by a hundred tokens and by two hundred, and compare how much memory was held at most.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.traces import generators, without_decorator
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Methods that pick one token after another, and are kept from building a graph."""
    for function in generators(source):
        yield from without_decorator(source, function)


CLASS = "class GPT(nn.Module):\n"
LOOP = (
    "    def generate(self, idx, n):\n        for _ in range(n):\n"
    "            idx = torch.cat((idx, self(idx)[:, -1:].argmax(-1)), dim=1)\n        return idx\n"
)

OPERATOR = Operator(
    id="generated-with-gradients-on",
    category=Category.MODES,
    file="model.py",
    origin="https://github.com/flairNLP/flair/issues/210",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="Long texts come out right, as long as memory lasts.",
        area="Compare what is held in memory after ten new tokens and after a hundred.",
        mechanism="Somebody has to say that nothing will be learned from this. Who says so here?",
    ),
    examples=(
        Example(CLASS + "    @torch.no_grad()\n" + LOOP, CLASS + LOOP),
        Example(
            CLASS + "    @torch.inference_mode()\n" + LOOP.replace("argmax(-1)", "softmax(-1).multinomial(1)"),
            CLASS + LOOP.replace("argmax(-1)", "softmax(-1).multinomial(1)"),
        ),
    ),
    look_alikes=(
        CLASS + LOOP,
        CLASS + "    @torch.no_grad()\n    def reset(self):\n        self.w.copy_(torch.zeros(3))\n",
        CLASS + "    @torch.no_grad()\n    def best(self, x):\n        return torch.stack([self(x).argmax(-1)])\n",
    ),
    edits=edits,
)
