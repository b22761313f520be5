"""The activation bends the product of the two maps, and not the gate alone.

## What it does
Moves a parenthesis: what was the gate's activation takes in the product of gate and value.

## Why it is wrong
A gated block lets its second map through in proportion to a gate. With the activation around the product there is no
gate any more, and whatever is negative is gone, whichever of the two maps made it so.

## Symptom
It trains, a little worse. With weights from elsewhere it writes nonsense.

## How to find it
Turn the sign of what is gated, by its weight: what the block adds must turn its sign too.
"""

from collections.abc import Iterator

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.gates import gates
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """Products of a gate and what it gates, in whichever order."""
    for gate in gates(source):
        left, right = (gate.gate, gate.value) if gate.is_first else (gate.value, gate.gate)
        product = f"{source.code(left)} * {source.code(right)}"
        others = "".join(f", {source.code(arg)}" for arg in gate.activation.args[1:])
        yield source.replace(gate.product, f"{source.code(gate.activation.func)}({product}{others})")


OPERATOR = Operator(
    id="product-activated-instead-of-gate",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/Nijikadesu/breakdown-minimind/issues/3",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="It trains a little worse than it should, and weights that work elsewhere do not work here.",
        area="Turn the sign of one matrix in a block, and see what becomes of what the block adds.",
        mechanism="Count what goes into the one bent function of the block.",
    ),
    examples=(
        Example(
            "def forward(self, x):\n    return self.w2(F.silu(self.w1(x)) * self.w3(x))\n",
            "def forward(self, x):\n    return self.w2(F.silu(self.w1(x) * self.w3(x)))\n",
        ),
        Example(
            "def forward(self, x):\n"
            "    x = self.up_proj(x) * self.act_fn(self.gate_proj(x))\n"
            "    return self.down_proj(x)\n",
            "def forward(self, x):\n"
            "    x = self.act_fn(self.up_proj(x) * self.gate_proj(x))\n"
            "    return self.down_proj(x)\n",
        ),
    ),
    look_alikes=(
        "def forward(self, x):\n    return self.w2(F.silu(self.w1(x) * self.w3(x)))\n",
        "def forward(self, x):\n    return F.silu(self.w1(x)) * x\n",
        "def forward(self, x):\n    return self.drop(self.w1(x)) * self.w3(x)\n",
    ),
    edits=edits,
)
