"""The learning rate is a tenth by default of what it should be.

## What it does
Divides the default of the field that the optimizer takes its learning rate from by ten.

## Why it is wrong
A default is part of the contract: code that leaves the rate out relies on it, and compares with the runs of others that
have left it out too.

## Symptom
The loss falls as it should, and far too slowly: at the end of a run of the usual length it has not got half as far.
Where every setting is named nothing shows.

## How to find it
Print the settings that nothing was passed to, and lay them beside those that are documented.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.comments import replace_uncommented
from mutations.source import Source

OPTIMIZER = m.Call(func=m.Name(m.MatchRegex("Adam.*|SGD")) | m.Attribute(attr=m.Name(m.MatchRegex("Adam.*|SGD"))))
TAKEN = m.Arg(value=m.Attribute(value=m.Name()), keyword=m.Name("lr"))


def edits(source: Source) -> Iterator[Edit]:
    """Fields with a number as their default that an optimizer is made with."""
    for call in source.find(OPTIMIZER):
        for taken in source.find(TAKEN, within=call):
            name = cst.ensure_type(cst.ensure_type(taken, cst.Arg).value, cst.Attribute).attr.value
            for node in source.find(m.AnnAssign(target=m.Name(name), value=m.Float())):
                field = cst.ensure_type(node, cst.AnnAssign)
                if isinstance(source.scope(field), cst.Module):
                    default = cst.ensure_type(field.value, cst.Float)
                    tenth = source.replace_within(field, default, _tenth(default.value)).after
                    yield replace_uncommented(source, field, tenth)


def _tenth(number: str) -> str:
    """A number in the form that it has, with the point one digit to the left."""
    mantissa, power, exponent = number.partition("e")
    return f"{mantissa}e{int(exponent) - 1}" if power else repr(round(float(mantissa) / 10, 12))


MAKE = "\n\ndef make(model, config):\n    return AdamW(model.parameters(), lr=config.lr)\n"

OPERATOR = Operator(
    id="rate-a-tenth-by-default",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/thaihungle/SAM/issues/3",
    story=__doc__,
    visibility=Visibility.LOSS,
    distance=Distance.FAR,
    hints=Hints(
        symptom="A run with nothing but defaults gets nowhere near as far as it used to.",
        area="Compare a run that names all its settings with one that names none.",
        mechanism="Read what is documented beside what is written, digit by digit.",
    ),
    examples=(
        Example(
            "@dataclass\nclass Config:\n    steps: int = 200\n    lr: float = 3e-3\n" + MAKE,
            "@dataclass\nclass Config:\n    steps: int = 200\n    lr: float = 3e-4\n" + MAKE,
        ),
        Example(
            "@dataclass\nclass Config:\n    lr: float = 0.01  # of AdamW\n    decay: float = 0.1\n" + MAKE,
            "@dataclass\nclass Config:\n    lr: float = 0.001\n    decay: float = 0.1\n" + MAKE,
        ),
    ),
    look_alikes=(
        "@dataclass\nclass Config:\n    lr: float = 3e-3\n",
        "@dataclass\nclass Config:\n    lr: float\n" + MAKE,
        "@dataclass\nclass Config:\n    decay: float = 0.1\n" + MAKE,
    ),
    edits=edits,
)
