"""The loss shifts targets that are shifted already, so that each position learns the token after next.

## What it does
Leaves out the last logits and the first targets before they are compared, as one does when both are made from the same
tokens. Here the batch has done it before.

## Why it is wrong
One shift turns a token into its successor, two into the successor of the successor. Generation appends what the model
says as the very next token.

## Symptom
The loss falls nearly as it should, since the token after next can often be predicted as well. What is generated
skips every other token.

## How to find it
Give the logits of a perfect model to the loss, certain of each target: it must be zero. Or count over how many tokens
the mean is taken.
"""

from collections.abc import Iterator

import libcst as cst

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.losses import cross_entropies, flattened
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Losses that flatten logits and targets, both at full length."""
    for loss in cross_entropies(source):
        logits, targets = flattened(loss.logits), flattened(loss.targets)
        if logits is not None and targets is not None:
            (start, _), (_, end) = source.span(loss.logits), source.span(loss.targets)
            between = source.code_between(source.span(loss.logits)[1], source.span(loss.targets)[0])
            earlier, later = _cut(source, loss.logits, ":-1"), _cut(source, loss.targets, "1:")
            yield source.replace_span(start, end, earlier + between + later)


def _cut(source: Source, flat: cst.BaseExpression, window: str) -> str:
    """The text of `x.view(...)` for a part of x; a part cannot be viewed, only reshaped."""
    call = cst.ensure_type(flat, cst.Call)
    method = cst.ensure_type(call.func, cst.Attribute)
    name = method.attr.value.replace("view", "reshape")
    arguments = source.code_between(source.span(method)[1], source.span(call)[1])
    return f"{source.code(method.value)}[:, {window}].{name}{arguments}"


OPERATOR = Operator(
    id="targets-shifted-twice",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/huggingface/transformers/issues/47394",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The loss looks healthy, and what is generated leaves things out.",
        area="Follow the answer that is expected at one place, from the batch to the number that is minimised.",
        mechanism="Something that is needed once is done more than once, in different places.",
    ),
    examples=(
        Example(
            "loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # ()\n",
            "loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())  # ()\n",
        ),
        Example(
            "loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)\n",
            "loss = F.cross_entropy(logits[:, :-1].reshape(-1, logits.size(-1)), targets[:, 1:].reshape(-1), "
            "ignore_index=-1)\n",
        ),
        Example(
            "def loss_of(out, y, V):\n    return cross_entropy(\n        out.reshape(-1, V),\n"
            "        y.reshape(-1),\n    )\n",
            "def loss_of(out, y, V):\n    return cross_entropy(\n        out[:, :-1].reshape(-1, V),\n"
            "        y[:, 1:].reshape(-1),\n    )\n",
        ),
    ),
    look_alikes=(
        "loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())\n",
        "loss = F.cross_entropy(logits.transpose(1, 2), targets)\n",
        "def class_loss(logits, labels):\n    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())\n",
    ),
    edits=edits,
)
