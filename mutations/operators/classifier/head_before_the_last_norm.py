"""The classifier head reads the residual stream before the last norm, the language model after it.

## What it does
Norms the stream only for the map to the vocabulary, and leaves the stream itself as it was for what comes after.

## Why it is wrong
Both heads are made for normed vectors. The stream that the blocks leave behind grows with depth and training, and with
it the scores of the classes; the class loss trains all but the last norm.

## Symptom
The language model is untouched, to the last bit. The classifier learns, with scores of the wrong scale, and weights
trained elsewhere give it other answers.

## How to find it
Change the gain of the last norm: the class logits must change with it.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.classifier import heads
from mutations.roles.layers import calls, head, norms
from mutations.roles.reads import reads
from mutations.source import Source

NORMED = m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(m.Name())], value=m.Call())])

WITH_COMMENT = m.SimpleStatementLine(trailing_whitespace=m.TrailingWhitespace(comment=m.Comment()))


def edits(source: Source) -> Iterator[Edit]:
    """A line that norms the stream for good, right above the one that makes logits of it."""
    layer = head(source)
    if layer is None or not heads(source):
        return
    names = {norm.name for norm in norms(source) if norm.owner is layer.owner}
    for norm in calls(source, names, within=layer.owner):
        assignment = source.parent(norm)
        line = source.parent(assignment)
        if not m.matches(line, NORMED) or len(norm.args) != 1 or m.matches(line, WITH_COMMENT):
            continue
        stream = norm.args[0].value
        siblings = list(source.siblings(line))
        below = siblings[siblings.index(line) + 1 :]
        if not below or not cst.ensure_type(assignment, cst.Assign).targets[0].target.deep_equals(stream):
            continue
        for call in calls(source, {layer.name}, within=below[0]):
            uses = [use for node in below for use in reads(source, stream, within=node)]
            if len(call.args) == 1 and call.args[0].value.deep_equals(stream) and len(uses) > 1 and len(siblings) > 2:
                (start, _), (_, end) = source.span(line), source.span(call.args[0])
                before = source.code_between(source.span(below[0])[0], source.span(call.args[0])[0])
                yield source.replace_span(start, end, before + source.code(norm))


INIT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, config.vocab_size)
        self.cls = nn.Linear(config.width, config.n_classes)

    def forward(self, x):
        x = self.blocks(x)
"""

OPERATOR = Operator(
    id="head-before-the-last-norm",
    category=Category.CLASSIFIER,
    file="model.py",
    origin="https://github.com/NVIDIA/Model-Optimizer/pull/1846",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="The language model is what it should be; the scores of the classes have a strange size.",
        area="Two maps end the model. Compare what each of them is given.",
        mechanism="Change the gain that comes last before the logits, and see who notices.",
    ),
    examples=(
        Example(
            INIT + "        x = self.norm(x)\n        y = self.out(x)  # (B, T, V)\n        return y, self.cls(x)\n",
            INIT + "        y = self.out(self.norm(x))  # (B, T, V)\n        return y, self.cls(x)\n",
        ),
        Example(
            INIT + "        x = self.norm(x)\n        return self.out(x), self.classify(x)\n",
            INIT + "        return self.out(self.norm(x)), self.classify(x)\n",
        ),
    ),
    look_alikes=(
        INIT + "        x = self.norm(x)\n        return self.out(x)\n",
        INIT + "        y = self.norm(x)\n        return self.out(y), self.cls(y)\n",
        INIT + "        x = self.norm(x)\n        return self.cls(x)\n",
    ),
    edits=edits,
)
