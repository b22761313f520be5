"""The classifier has a score for one class more than there are.

## What it does
Adds one to the number of outputs that the head is made with, as if some label were set aside for nothing.

## Why it is wrong
Every score takes a share of the probability. The class that is not there has to be unlearned first, and the best-scored
class of a token may be one that no label ever names.

## Symptom
The loss takes it without a word, because every label is in range, and it falls. It only starts higher, at the logarithm
of a larger number, and now and then a prediction is no class at all.

## How to find it
Look at the loss of a head that has learned nothing yet: it should be the logarithm of the number of classes. Or ask for
the last dimension of the scores.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.calls import argument
from mutations.roles.losses import is_about_classes
from mutations.roles.sizes import resolve
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Linear layers that have an output for each class."""
    for node in source.find(m.Call(func=m.Attribute(attr=m.Name("Linear")) | m.Name("Linear"))):
        outputs = argument(cst.ensure_type(node, cst.Call), 1, "out_features")
        if outputs is not None and isinstance(outputs.value, cst.Name | cst.Attribute):
            size = resolve(source, outputs.value)
            if isinstance(size, cst.Name | cst.Attribute) and is_about_classes(source.code(size).split(".")[-1]):
                yield source.replace_within(node, outputs.value, f"{source.code(outputs.value)} + 1")


OPERATOR = Operator(
    id="one-class-too-many",
    category=Category.CLASSIFIER,
    file="model.py",
    origin="https://github.com/tensorflow/benchmarks/issues/214",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="The classifier learns, yet it begins with a loss that is too high, and may predict what no label is.",
        area="Ask the model for the scores of a few tokens, and look at their shape.",
        mechanism="Count the labels, starting from zero, and count what the head can answer.",
    ),
    examples=(
        Example(
            "self.class_head = nn.Linear(config.n_embd, config.n_classes)  # (B, T, n_classes)\n",
            "self.class_head = nn.Linear(config.n_embd, config.n_classes + 1)  # (B, T, n_classes)\n",
        ),
        Example(
            "def build(self, config):\n"
            "    C, K = config.width, config.num_classes\n"
            "    self.classify = nn.Sequential(nn.LayerNorm(C), nn.Linear(C, K, bias=False))\n",
            "def build(self, config):\n"
            "    C, K = config.width, config.num_classes\n"
            "    self.classify = nn.Sequential(nn.LayerNorm(C), nn.Linear(C, K + 1, bias=False))\n",
        ),
        Example(
            "head = Linear(out_features=n_classes, in_features=C)\n",
            "head = Linear(out_features=n_classes + 1, in_features=C)\n",
        ),
    ),
    look_alikes=(
        "self.class_embedding = nn.Linear(n_classes, C)\n",
        "self.class_head = nn.Linear(C, vocab_size)\n",
        "self.class_head = nn.Linear(C, n_classes + 1)\n",
        "self.class_table = nn.Embedding(n_classes, C)\n",
    ),
    edits=edits,
)
