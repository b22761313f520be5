"""The logits are brought into the shape that the loss asks for by cutting them anew instead of turning them.

## What it does
Reshapes the logits from (B, T, V) to (B, V, T), where dimensions would have to change places.

## Why it is wrong
Reshaping keeps the numbers in the order in which they lie in memory. What stands in the column of a token afterwards
are scores of several other tokens, and each loss is taken over a mixture.

## Symptom
All shapes are right. The loss starts at the logarithm of the size of the vocabulary, as it should, falls much less
than it could, and the model generates nonsense.

## How to find it
Use logits whose value says where they belong, such as 0, 1, 2 and so on, and look at what arrives at one position.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.losses import cross_entropies, flattened
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Losses that flatten logits and targets: both are given their dimension of time back."""
    for loss in cross_entropies(source):
        logits, targets = flattened(loss.logits), flattened(loss.targets)
        if logits is not None and targets is not None:
            (start, _), (_, end) = source.span(loss.logits), source.span(loss.targets)
            between = source.code_between(source.span(loss.logits)[1], source.span(loss.targets)[0])
            reshaped = f"{logits.value}.reshape({targets.value}.size(0), -1, {targets.value}.size(1))"
            yield source.replace_span(start, end, f"{reshaped}{between}{targets.value}")


OPERATOR = Operator(
    id="logits-reshaped-for-transposed",
    category=Category.LOSS,
    file="train.py",
    origin="https://github.com/weirme/FCSN/issues/32",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="The loss begins at the right height and falls, yet nothing useful has been learnt.",
        area="Look at which scores are compared with which answer.",
        mechanism="Every shape is right. That does not say that each number is where it belongs.",
    ),
    examples=(
        Example(
            "loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())  # ()\n",
            "loss = F.cross_entropy(logits.reshape(targets.size(0), -1, targets.size(1)), targets)  # ()\n",
        ),
        Example(
            "loss = F.cross_entropy(out.view(-1, out.size(-1)), idx.view(-1), ignore_index=-1)\n",
            "loss = F.cross_entropy(out.reshape(idx.size(0), -1, idx.size(1)), idx, ignore_index=-1)\n",
        ),
    ),
    look_alikes=(
        "loss = F.cross_entropy(logits.transpose(1, 2), targets)\n",
        "loss = F.cross_entropy(logits[:, -1], targets)\n",
        "class_loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten())\n",
    ),
    edits=edits,
)
