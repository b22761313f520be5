"""A caller of generation gets the model back in evaluation mode.

## What it does
Puts the model into evaluation mode before the first token is picked, and leaves it there.

## Why it is wrong
Samples are looked at in the middle of training. A model that comes back in another mode is trained on without the
dropout that it was configured with, and nothing says so.

## Symptom
None before the first sample. After it the training loss falls faster, and the held-out loss no longer follows.

## How to find it
Compare `training` of every module before and after a text was continued, with a model in training mode.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.traces import begun_with, generators
from mutations.source import Source

MODE = m.Attribute(attr=m.Name("eval") | m.Name("train") | m.Name("training"))


def edits(source: Source) -> Iterator[Edit]:
    """Methods that pick one token after another, and leave the mode alone."""
    for function in generators(source):
        if not source.find(MODE, within=cst.ensure_type(function.body, cst.IndentedBlock)):
            yield begun_with(source, function, "self.eval()")


CLASS = "class GPT(nn.Module):\n    def generate(self, idx, n):\n"
LOOP = (
    "        for _ in range(n):\n"
    "            idx = torch.cat((idx, self(idx)[:, -1:].argmax(-1)), dim=1)\n        return idx\n"
)

OPERATOR = Operator(
    id="generation-ends-in-eval-mode",
    category=Category.MODES,
    file="model.py",
    origin="https://github.com/rohitg00/ai-engineering-from-scratch/pull/206",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="From the first sample on, the training loss promises more than held-out batches keep.",
        area="Compare the whole state of the network right before a sample is drawn and right after it.",
        mechanism="Something is changed for the occasion. Who changes it back?",
    ),
    examples=(
        Example(CLASS + LOOP, CLASS + "        self.eval()\n" + LOOP),
        Example(
            CLASS + '        """Greedy."""\n        tokens = idx\n' + LOOP,
            CLASS + '        """Greedy."""\n        self.eval()\n        tokens = idx\n' + LOOP,
        ),
    ),
    look_alikes=(
        CLASS + "        was_training = self.training\n        self.eval()\n" + LOOP,
        CLASS + "        return self(idx).argmax(-1)\n",
        "def generate(model, idx, n):\n    for _ in range(n):\n        idx = model(idx).argmax(-1)\n    return idx\n",
    ),
    edits=edits,
)
