"""Positions are counted in the floating-point type of the model.

## What it does
Counts in the type that the weights have, and makes whole numbers of the result to look them up.

## Why it is wrong
A float counts in whole numbers only as far as its digits go. A bfloat16 has eight binary digits: after 256 it knows
every other number, after 512 every fourth. Several tokens then share a position, and the rows of the others are never
read.

## Symptom
None in float32, where every position that a model can have is a number. In bfloat16 short texts are answered as ever,
and long ones worse the longer they are.

## How to find it
Run the same long sequence in two types and compare the logits position by position: where do they begin to part? Print
what the table is asked for at that place.
"""

from collections.abc import Iterator

from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.layers import calls, owner_of, token_embeddings
from mutations.roles.positions import counts
from mutations.source import Source

WHOLE = m.Attribute(attr=m.Name("long") | m.Name("int64"))


def edits(source: Source) -> Iterator[Edit]:
    """Counts that reach a table of positions, in a class that has a table of tokens to take the type from."""
    tables = {layer.name for layer in token_embeddings(source)}
    lookups = calls(source, tables)
    for count in counts(source):
        here = [lookup for lookup in lookups if owner_of(source, lookup) is owner_of(source, count.call)]
        typed = next((option for option in count.options if option.keyword and option.keyword.value == "dtype"), None)
        if not here or (typed is not None and not m.matches(typed.value, WHOLE)):
            continue
        dtype = f"{source.code(here[0].func)}.weight.dtype"
        if typed is not None:
            counted = source.replace_within(count.call, typed.value, dtype).after
        else:
            last = max((arg for arg in count.call.args if arg.keyword is None), key=source.span)
            counted = source.replace_within(count.call, last, f"{source.code(last)}, dtype={dtype}").after
        yield source.replace(count.call, f"{counted}.long()")


GPT = """\
class GPT(nn.Module):
    def __init__(self, config):
        self.tokens = nn.Embedding(config.vocab_size, config.width)
        self.places = nn.Embedding(config.block_size, config.width)

    def forward(self, ids):
        T = ids.size(1)
"""

OPERATOR = Operator(
    id="positions-counted-in-model-floats",
    category=Category.NUMERICS,
    file="model.py",
    origin="https://github.com/lucidrains/local-attention/issues/12",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FUNCTION,
    hints=Hints(
        symptom="With half the bits for each number, the end of a text comes out worse than its start.",
        area="Follow what tells a token where it stands, from where it is made to where it is used.",
        mechanism="Ask how far each kind of number can count without leaving one out.",
    ),
    examples=(
        Example(
            GPT
            + "        where = torch.arange(T, device=device)\n        return self.tokens(ids) + self.places(where)\n",
            GPT + "        where = torch.arange(T, dtype=self.tokens.weight.dtype, device=device).long()\n"
            "        return self.tokens(ids) + self.places(where)\n",
        ),
        Example(
            GPT + "        where = torch.arange(0, T, dtype=torch.long)  # (T,)\n"
            "        return self.tokens(ids) + self.places(where)\n",
            GPT + "        where = torch.arange(0, T, dtype=self.tokens.weight.dtype).long()  # (T,)\n"
            "        return self.tokens(ids) + self.places(where)\n",
        ),
    ),
    look_alikes=(
        GPT + "        where = torch.arange(T, dtype=kind)\n        return self.tokens(ids) + self.places(where)\n",
        GPT + "        return self.tokens(ids) + self.places.weight[:T]\n",
        "def rows(B):\n    return torch.arange(B)\n",
    ),
    edits=edits,
)
