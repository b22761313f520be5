"""The last linear map ends at the width of the model instead of the size of the vocabulary.

## What it does
Gives the map to the vocabulary as many outputs as it has inputs.

## Why it is wrong
There must be one logit for each token of the vocabulary. With fewer, some tokens can never be predicted; with more,
some predictions are no tokens.

## Symptom
The forward pass runs. Where the vocabulary is larger than the width, the loss raises on the first target beyond it;
where it is smaller, training works and only generation goes astray. Where the two sizes are equal nothing shows.

## How to find it
Ask for the shape of the logits, once with a vocabulary smaller than the width and once with a larger one. A
checkpoint of a right model does not load.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.calls import argument
from mutations.roles.layers import kept_as, shares_weight, token_embeddings
from mutations.roles.sizes import is_vocabulary
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The last linear layer whose outputs are the vocabulary, and whose weight is no other layer's too."""
    heads = []
    for node in source.find(m.Call(func=m.Attribute(attr=m.Name("Linear")) | m.Name("Linear"))):
        call = cst.ensure_type(node, cst.Call)
        inputs, outputs = argument(call, 0, "in_features"), argument(call, 1, "out_features")
        if inputs is not None and outputs is not None and is_vocabulary(source, outputs.value):
            heads.append((call, inputs.value, outputs.value))
    name = kept_as(source, heads[-1][0]) if heads else None
    names = [name, *(table.name for table in token_embeddings(source))]
    if heads and not any(each is not None and shares_weight(source, each) for each in names):
        call, width, vocabulary = heads[-1]
        yield source.replace_within(call, vocabulary, source.code(width))


OPERATOR = Operator(
    id="projection-to-model-width",
    category=Category.PROJECTION,
    file="model.py",
    origin="https://github.com/keras-team/keras-hub/issues/733",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="For some sizes the loss can be computed; for others it complains about its targets.",
        area="Look at what the model returns, for a vocabulary smaller and for one larger than its width.",
        mechanism="Count the scores that each position gets, and count the tokens that there are to choose from.",
    ),
    examples=(
        Example("self.head = nn.Linear(n_embd, vocab_size)\n", "self.head = nn.Linear(n_embd, n_embd)\n"),
        Example(
            "def __init__(self, config):\n"
            "    C, V = config.width, config.vocab_size\n"
            "    self.out = nn.Linear(C, V, bias=False)  # no bias\n",
            "def __init__(self, config):\n"
            "    C, V = config.width, config.vocab_size\n"
            "    self.out = nn.Linear(C, C, bias=False)  # no bias\n",
        ),
        Example(
            "head = Linear(out_features=config.vocab_size, in_features=config.n_embd)\n",
            "head = Linear(out_features=config.n_embd, in_features=config.n_embd)\n",
        ),
        Example(
            "draft = nn.Linear(C, vocab_size)\nhead = nn.Linear(C, vocab_size)\n",
            "draft = nn.Linear(C, vocab_size)\nhead = nn.Linear(C, C)\n",
        ),
    ),
    look_alikes=(
        "def __init__(self, C, V):\n    self.proj = nn.Linear(C, C)\n",
        "self.embed = nn.Linear(vocab_size, C)\n",
    ),
    edits=edits,
)
