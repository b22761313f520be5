"""The length that is checked is that of the new tokens, not of all of them.

## What it does
Gives the check of the length the number of new tokens instead of their number and that of the cached ones.

## Why it is wrong
There is a learned position for a fixed number of tokens. Chunks that are short enough one by one can be too long
together, and then positions are looked up that do not exist.

## Symptom
None until the context is full. Then, instead of an error that says so, an index is out of range deep inside the model;
a table that is larger than it needs to be hides even that.

## How to find it
Fill the context in two chunks and read one token more. The error must be the one that the model promises.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Part, Visibility
from mutations.roles.cache import counts
from mutations.roles.layers import function_name
from mutations.roles.reads import leaves_nothing_unread, reads
from mutations.source import Source

REFUSAL = m.If(test=m.Comparison(), body=m.IndentedBlock(body=[m.SimpleStatementLine(body=[m.Raise()])]))
CHECK = m.Expr(m.Call(args=[m.Arg(m.Name())]))


def edits(source: Source) -> Iterator[Edit]:
    """Where the number of all tokens is compared with a limit, or given to a function that may refuse it."""
    for count in counts(source):
        scope = source.scope(count.total)
        for node in source.find(REFUSAL | m.Assert(test=m.Comparison()) | CHECK, within=scope):
            checked = node.test if isinstance(node, cst.If | cst.Assert) else node
            if isinstance(node, cst.Expr) and not _refuses(source, cst.ensure_type(node.value, cst.Call)):
                continue
            for total in reads(source, count.total, within=checked):
                if leaves_nothing_unread(source, total):
                    yield source.replace_within(checked, total, source.code(count.new))


def _refuses(source: Source, call: cst.Call) -> bool:
    """Whether a function of this file, or a method, may raise an error."""
    functions = [cst.ensure_type(node, cst.FunctionDef) for node in source.find(m.FunctionDef())]
    called = [function for function in functions if function.name.value == function_name(call)]
    return any(source.find(m.Raise() | m.Assert(), within=function) for function in called)


READ = """\
def check(self, length):
    if length > self.limit:
        raise ValueError("too long")


def read(self, tokens, cache=None):
    past = 0 if cache is None else cache.length
    new = tokens.size(1)
    total = past + new
"""
REST = "    return self.run(tokens, torch.arange(past, total))\n"

OPERATOR = Operator(
    id="length-checked-without-the-cache",
    category=Category.KV_CACHE,
    file="model.py",
    origin="https://github.com/huggingface/candle/pull/3035",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    needs=frozenset({Part.CACHE}),
    hints=Hints(
        symptom="Beyond its longest context the model does not refuse; it breaks somewhere inside.",
        area="Fill the context chunk by chunk and go on. Which error appears, and where does it come from?",
        mechanism="Something is compared with the limit. Is it everything that needs a place?",
    ),
    examples=(
        Example(READ + "    self.check(total)\n" + REST, READ + "    self.check(new)\n" + REST),
        Example(
            READ + "    if total > self.limit:\n        raise ValueError('too long')\n" + REST,
            READ + "    if new > self.limit:\n        raise ValueError('too long')\n" + REST,
        ),
        Example(
            READ + "    assert total <= self.limit, 'too long'  # no position left\n" + REST,
            READ + "    assert new <= self.limit, 'too long'  # no position left\n" + REST,
        ),
    ),
    look_alikes=(
        READ + "    self.check(new)\n" + REST,
        READ + "    self.check(total)\n    return self.run(tokens, past)\n",
        READ + "    self.log(total)\n" + REST,
        "def read(a, b):\n    total = a + b\n    check(total)\n    return total\n",
    ),
    edits=edits,
)
