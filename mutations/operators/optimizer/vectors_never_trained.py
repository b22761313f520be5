"""Biases and gains are left out of the optimizer, and keep the values they were born with.

## What it does
Removes the group of the parameters that should not be decayed, instead of leaving it without decay.

## Why it is wrong
An optimizer moves what it was given and nothing else. That a parameter has a gradient, or is in `model.parameters()`,
does not matter to it.

## Symptom
The loss falls, since the matrices learn. Every bias stays zero and every gain stays one.

## How to find it
After one update compare every parameter with what it was. Or count: the parameters in the optimizer's groups must be
those of the model.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import body
from mutations.roles.optimizers import decay_groups
from mutations.source import Source


def edits(source: Source) -> Iterator[Edit]:
    """The group without decay, if it stands on a line of its own and nothing was made for it alone."""
    for groups in decay_groups(source):
        [spared] = (group.display for group in groups if not group.decays)
        start, end = source.span(spared)
        line_start, line_end = source.line_start(start), source.line_end(end)
        alone = source.code_between(line_start, start).strip() == ""
        alone = alone and source.code_between(end, line_end).partition("#")[0].strip() == ","
        if alone and _nothing_is_orphaned(source, spared):
            yield source.replace_span(line_start, line_end, "")


def _nothing_is_orphaned(source: Source, removed: cst.CSTNode) -> bool:
    """Whether each name in the removed code is read elsewhere too, or belongs to a comprehension in it."""
    region = body(source.scope(removed))
    bound = {source.code(node) for node in _targets(source, removed)}
    for node in source.find(m.Name(), within=removed):
        name = cst.ensure_type(node, cst.Name).value
        inside = len(source.find(m.Name(name), within=removed))
        assigned = len(source.find(m.AssignTarget(m.Name(name)), within=region))
        if name not in bound and len(source.find(m.Name(name), within=region)) - assigned <= inside:
            return False
    return True


def _targets(source: Source, code: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What the comprehensions in a piece of code bind, and the attributes in it, which are no variables."""
    for node in source.find(m.CompFor(), within=code):
        yield from source.find(m.Name(), within=cst.ensure_type(node, cst.CompFor).target)
    for node in source.find(m.Attribute(), within=code):
        yield cst.ensure_type(node, cst.Attribute).attr


OPERATOR = Operator(
    id="vectors-never-trained",
    category=Category.OPTIMIZER,
    file="train.py",
    origin="https://github.com/facebookresearch/vissl/pull/288",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.FAR,
    hints=Hints(
        symptom="The loss falls, a little slower than it could. Some parameters still hold their first values.",
        area="Find out which parameters never move, and what those have in common.",
        mechanism="They do have gradients. Who is it that should apply them?",
    ),
    examples=(
        Example(
            "groups = [\n"
            '    {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},\n'
            '    {"params": [q for q in parameters if q.dim() < 2], "weight_decay": 0.0},  # and no more\n'
            "]\n",
            'groups = [\n    {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},\n]\n',
        ),
        Example(
            "optim_groups = [\n"
            "    {'params': [by_name[n] for n in plain], 'weight_decay': 0},\n"
            "    {'params': [by_name[n] for n in decayed], 'weight_decay': wd},\n"
            "]\n"
            "print(len(plain))\n",
            "optim_groups = [\n"
            "    {'params': [by_name[n] for n in decayed], 'weight_decay': wd},\n"
            "]\n"
            "print(len(plain))\n",
        ),
    ),
    look_alikes=(
        "vectors = [p for p in parameters if p.dim() < 2]\n"
        "groups = [\n"
        '    {"params": matrices, "weight_decay": decay},\n'
        '    {"params": vectors, "weight_decay": 0.0},\n'
        "]\n",
        'groups = [{"params": p, "weight_decay": d}, {"params": p, "weight_decay": 0.0}]\n',
        "groups = [\n"
        '    {"params": list(parameters), "weight_decay": decay},\n'
        '    {"params": list(parameters), "weight_decay": decay},\n'
        "]\n",
    ),
    edits=edits,
)
