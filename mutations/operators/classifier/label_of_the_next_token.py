"""Labels are made from the targets, so that each token gets the class of the token after it.

## What it does
Computes the label from the shifted sequence instead of from the tokens that the model reads.

## Why it is wrong
The classifier is asked about the token in front of it. The class of the next token is another task, and one that can
only be guessed where the next token can.

## Symptom
The classifier learns a little, as much as the next token can be foreseen, and its accuracy stays well below one. Where
the sequence is regular it may even look fine.

## How to find it
Print a row of a batch: below each token stands its label, and each pair must fit.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.losses import Shift, shifts
from mutations.roles.reads import reads
from mutations.source import Source

PAIR = m.Tuple(elements=[m.Element(m.Name()), m.Element(m.Name())])


def edits(source: Source) -> Iterator[Edit]:
    """Where something is computed from the inputs, or looked up for them, in the function that makes the targets."""
    for shift in shifts(source):
        names = _names(source, shift)
        if names is None:
            continue
        tokens, targets = names
        scope = source.scope(shift.tokens)
        for use in reads(source, tokens, within=scope):
            if _is_computed(source, use):
                yield source.replace_within(_around(source, use), use, targets.value)


def _names(source: Source, shift: Shift) -> tuple[cst.Name, cst.Name] | None:
    """What the two windows are called: in one line or in two."""
    first, second = source.parent(shift.tokens), source.parent(shift.targets)
    if isinstance(first, cst.Element) and isinstance(second, cst.Element):
        assignment = source.parent(source.parent(first))
        if m.matches(assignment, m.Assign(targets=[m.AssignTarget(PAIR)])):
            elements = cst.ensure_type(cst.ensure_type(assignment, cst.Assign).targets[0].target, cst.Tuple).elements
            tokens, targets = (element.value for element in elements)
            return cst.ensure_type(tokens, cst.Name), cst.ensure_type(targets, cst.Name)
    if isinstance(first, cst.Assign) and isinstance(second, cst.Assign):
        tokens, targets = (assignment.targets[0].target for assignment in (first, second))
        if isinstance(tokens, cst.Name) and isinstance(targets, cst.Name):
            return tokens, targets
    return None


def _is_computed(source: Source, use: cst.CSTNode) -> bool:
    parent = source.parent(use)
    is_operand = isinstance(parent, cst.BinaryOperation) and parent.left is use
    return is_operand or (
        isinstance(parent, cst.Index) and m.matches(_around(source, use), m.Subscript(value=m.Name()))
    )


def _around(source: Source, use: cst.CSTNode) -> cst.CSTNode:
    """The operation or the lookup that a name is part of."""
    node = source.parent(use)
    while not isinstance(node, cst.BinaryOperation | cst.Subscript):
        node = source.parent(node)
    return node


HEAD = "def make(sequence, class_of):\n    tokens, targets = sequence[:, :-1], sequence[:, 1:]\n"

OPERATOR = Operator(
    id="label-of-the-next-token",
    category=Category.CLASSIFIER,
    file="train.py",
    origin="https://github.com/HarderThenHarder/transformers_tasks/issues/9",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    needs=frozenset({Part.CLASSIFIER}),
    hints=Hints(
        symptom="The classifier is never quite sure, although its task is one that a table could do.",
        area="Write a batch out in rows, everything that belongs to one position below each other.",
        mechanism="Each answer is right, for somebody. For whom?",
    ),
    examples=(
        Example(
            HEAD + "    return Batch(tokens, targets, labels=tokens % 2)  # parity\n",
            HEAD + "    return Batch(tokens, targets, labels=targets % 2)  # parity\n",
        ),
        Example(
            HEAD + "    return tokens, targets, class_of[tokens]\n",
            HEAD + "    return tokens, targets, class_of[targets]\n",
        ),
        Example(
            "def item(chunk):\n    x = chunk[:-1]\n    y = chunk[1:]\n    return x, y, (x % 2 == 1).long()\n",
            "def item(chunk):\n    x = chunk[:-1]\n    y = chunk[1:]\n    return x, y, (y % 2 == 1).long()\n",
        ),
    ),
    look_alikes=(
        HEAD + "    return tokens, targets\n",
        "def item(x):\n    return x[:-1], x[1:], x % 2\n",
        "def make(tokens, targets):\n    return tokens, targets, tokens % 2\n",
    ),
    edits=edits,
)
