"""The classifier head reads a copy of the hidden state through which no gradient flows.

## What it does
Detaches what the head is given from the graph.

## Why it is wrong
The class loss is meant to train the head and everything below it. Here it trains the head alone, which can only use
what the language model happens to have learnt.

## Symptom
The head learns what is easy to read off and stops there. The gradient of the trunk is the same for every weight of the
class loss, and with the class loss alone the trunk does not move.

## How to find it
Take the gradient of the class loss alone, and list the parameters that have none.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.classifier import head_calls
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """What the head of a classifier is given."""
    for call in head_calls(source):
        yield source.replace_within(call, call.args[0], f"{source.code(call.args[0])}.detach()")


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.lm_head = nn.Linear(config.width, config.vocab_size)
        self.top = nn.Linear(config.width, config.n_classes)

"""
MADE = """\
class Net(nn.Module):
    def __init__(self, config):
        self.cls = self._make() if config.num_classes else None

    def _make(self):
        return nn.Linear(4, 2)

"""

OPERATOR = Operator(
    id="head-reads-a-detached-trunk",
    category=Category.CLASSIFIER,
    file="model.py",
    origin="https://github.com/jantic/DeOldify/issues/116",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="However much the class loss counts, most of the model is trained as if there were none.",
        area="Take the class loss by itself, and see which parameters hear of it.",
        mechanism="Forward, everything is connected. Is it on the way back?",
    ),
    examples=(
        Example(
            INIT + "    def classify(self, x):\n        return self.top(x)  # (B, T, n_classes)\n",
            INIT + "    def classify(self, x):\n        return self.top(x.detach())  # (B, T, n_classes)\n",
        ),
        Example(
            INIT + "    def forward(self, h):\n        return self.lm_head(h), self.top(h)\n",
            INIT + "    def forward(self, h):\n        return self.lm_head(h), self.top(h.detach())\n",
        ),
        Example(
            MADE + "    def forward(self, x):\n        y = self.cls(x)\n",
            MADE + "    def forward(self, x):\n        y = self.cls(x.detach())\n",
        ),
    ),
    look_alikes=(
        INIT + "    def classify(self, x):\n        return self.top(x.detach())\n",
        INIT + "    def forward(self, x):\n        return self.lm_head(x)\n",
        "class Net(nn.Module):\n    def __init__(self, c):\n        self.class_names = read(c.names)\n\n"
        "    def forward(self, x):\n        return self.class_names(x)\n",
    ),
    edits=edits,
)
