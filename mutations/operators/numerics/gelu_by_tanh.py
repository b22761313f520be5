"""The GELU is approximated by a tanh, where the exact one is meant.

## What it does
Asks for the approximation that GPT-2 was trained with, in a model that computes the GELU itself.

## Why it is wrong
The two curves are at most five ten-thousandths apart, and neither is better. But weights trained with one are meant
for that one, and results that should agree to the last digits agree to three.

## Symptom
None in training. Compared with a right model with the same weights, logits differ in the fourth digit or so, a little
more with every layer.

## How to find it
Compare one MLP with a few lines written by hand, to six digits and not to two. A tolerance that is chosen for comfort
hides a bug of this size.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import function_name
from mutations.source import Source

GELU = m.Call(func=m.Attribute(value=~m.Name("self"), attr=m.Name("gelu") | m.Name("GELU")))


def edits(source: Source) -> Iterator[Edit]:
    """Calls of torch's function with nothing but a tensor, and modules made without an argument."""
    texts = [source.code(string) for string in source.find(m.SimpleString())]
    quotes = [text[0] for text in texts if text[0] in "'\"" and not text.startswith(text[0] * 3)]
    quote = "'" if quotes.count("'") > quotes.count('"') else '"'
    for node in source.find(GELU):
        call = cst.ensure_type(node, cst.Call)
        if len(call.args) == (function_name(call) == "gelu"):
            arguments = [*map(source.code, call.args), f"approximate={quote}tanh{quote}"]
            yield source.replace(call, f"{source.code(call.func)}({', '.join(arguments)})")


OPERATOR = Operator(
    id="gelu-by-tanh",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/chelsea0x3b/dfdx/issues/804",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="Logits agree with those of a right model to three digits, and not to six.",
        area="Compare the output of each part of a block with a computation by hand, and halve your tolerance.",
        mechanism="One curve in the model has a formula, and a shorter one that comes close to it.",
    ),
    examples=(
        Example(
            "x = F.gelu(self.fc(x))  # (B, T, 4C)\n",
            'x = F.gelu(self.fc(x), approximate="tanh")  # (B, T, 4C)\n',
        ),
        Example("self.act = nn.GELU()\n", 'self.act = nn.GELU(approximate="tanh")\n'),
        Example(
            "name = 'mlp'\nself.net = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(), nn.Linear(4 * C, C))\n",
            "name = 'mlp'\n"
            "self.net = nn.Sequential(nn.Linear(C, 4 * C), nn.GELU(approximate='tanh'), nn.Linear(4 * C, C))\n",
        ),
    ),
    look_alikes=(
        'x = F.gelu(x, approximate="tanh")\n',
        'self.act = nn.GELU("none")\n',
        "x = self.gelu(self.up(x))\n",
    ),
    edits=edits,
)
