"""The loss that is reported is computed anew, after the parameters have moved.

## What it does
Where the loss of the update is read for the record, evaluates the same batch once more, now by the updated model.

## Why it is wrong
The record should hold what the update started from. A model that has just been fitted to a batch does better on that
batch, so that the curve flatters; and every update costs a second forward pass.

## Symptom
Without dropout all parameters are right, to the last bit. The first value of the curve is already below that of a model
that guesses, and with a larger learning rate the gap widens.

## How to find it
Compare the first loss that is reported with the loss of the untrained model on the first batch.
"""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.operator import Category, Distance, Example, Hints, Operator, Visibility
from mutations.roles.loop import owner, updates
from mutations.source import Source

MODULE = m.Name(m.MatchRegex(r"(?i)(.*_)?(model|net|gpt|lm|transformer|module|llm|network)(_.*)?"))
OF_MODULE = MODULE | m.Attribute(attr=MODULE)
CALLED_MODULE = m.Call(func=OF_MODULE | m.Attribute(value=OF_MODULE))


def edits(source: Source) -> Iterator[Edit]:
    """`loss.item()` after the step, where `loss` is what a call returned, or one of the things it returned."""
    for update in updates(source):
        loss = owner(update.backward)
        scope = source.scope(update.backward)
        computed = [again for node in source.find(m.Assign(), within=scope) if (again := _again(source, node, loss))]
        if not isinstance(loss, cst.Name) or len(computed) != 1:
            continue
        for read in source.find(m.Call(func=m.Attribute(value=m.Name(loss.value), attr=m.Name("item"))), within=scope):
            if source.span(read) > source.span(update.step):
                yield source.replace_within(
                    read, cst.ensure_type(cst.ensure_type(read, cst.Call).func, cst.Attribute).value, computed[0]
                )


def _again(source: Source, node: cst.CSTNode, loss: cst.BaseExpression) -> str:
    """The text that computes the loss once more, if the assignment does."""
    assignment = cst.ensure_type(node, cst.Assign)
    target, value = assignment.targets[0].target, assignment.value
    if not isinstance(value, cst.Call) or _compares_what_was_computed(source, value):
        return ""
    if target.deep_equals(loss):
        return source.code(value)
    if isinstance(target, cst.Tuple):
        for index, element in enumerate(target.elements):
            if element.value.deep_equals(loss):
                return f"{source.code(value)}[{index}]"
    return ""


def _compares_what_was_computed(source: Source, call: cst.Call) -> bool:
    """Whether a call takes what a module computed before it: once more it gives the same number, or half of another."""
    return any(
        _is_computed(source, cst.ensure_type(name, cst.Name)) for arg in call.args for name in _names(source, arg.value)
    )


def _is_computed(source: Source, name: cst.Name) -> bool:
    """Whether a name holds what a module returned: its method's result, or what was read off one."""
    before = source.span(name)[0]
    for node in source.find(m.Assign(), within=source.scope(name)):
        assignment = cst.ensure_type(node, cst.Assign)
        targets = [each for target in assignment.targets for each in _names(source, target.target)]
        if source.span(node)[1] > before or not any(target.deep_equals(name) for target in targets):
            continue
        if source.find(CALLED_MODULE, within=assignment.value) or any(
            _is_computed(source, cst.ensure_type(read, cst.Name)) for read in _names(source, assignment.value)
        ):
            return True
    return False


def _names(source: Source, node: cst.CSTNode) -> list[cst.CSTNode]:
    found = list(source.find(m.Name(), within=node))
    return [each for each in found if not (isinstance(up := source.parent(each), cst.Attribute) and up.attr is each)]


OPERATOR = Operator(
    id="loss-reported-after-update",
    category=Category.TRAINING_LOOP,
    file="train.py",
    origin="https://github.com/pasqal-io/qadence/pull/705",
    story=__doc__,
    visibility=Visibility.SILENT,
    distance=Distance.LINE,
    hints=Hints(
        symptom="The parameters are right to the last bit, and the numbers in the record are a little too good.",
        area="Compare the first number in the record with that of an untrained network on the same data.",
        mechanism="Ask of the number that is kept: which parameters does it belong to?",
    ),
    examples=(
        Example(
            "def update(model, opt, x):\n    opt.zero_grad()\n    loss = loss_fn(model, x)\n    loss.backward()\n"
            "    opt.step()\n    return loss.item()\n",
            "def update(model, opt, x):\n    opt.zero_grad()\n    loss = loss_fn(model, x)\n    loss.backward()\n"
            "    opt.step()\n    return loss_fn(model, x).item()\n",
        ),
        Example(
            "for x, y in data:\n    logits, loss = model(x, y)\n    opt.zero_grad()\n    loss.backward()\n"
            "    opt.step()\n    history.append(loss.item())  # one a batch\n",
            "for x, y in data:\n    logits, loss = model(x, y)\n    opt.zero_grad()\n    loss.backward()\n"
            "    opt.step()\n    history.append(model(x, y)[1].item())  # one a batch\n",
        ),
        Example(
            "for x in data:\n    total = criterion(model(x), x)\n    total.backward()\n    opt.step()\n"
            '    record = {"loss": total.item(), "step": 1}\n',
            "for x in data:\n    total = criterion(model(x), x)\n    total.backward()\n    opt.step()\n"
            '    record = {"loss": criterion(model(x), x).item(), "step": 1}\n',
        ),
    ),
    look_alikes=(
        "for x in data:\n    loss = f(x)\n    history.append(loss.item())\n    loss.backward()\n    opt.step()\n",
        "for x in data:\n    loss = f(x) / 4\n    loss.backward()\n    opt.step()\n    log(loss.item())\n",
        "for x in data:\n    loss = f(x)\n    history.append(loss.item())\n",
        "def f(model, opt, x, y):\n    logits = model(x)\n    loss = F.cross_entropy(logits, y)\n"
        "    loss.backward()\n    opt.step()\n    return loss.item()\n",
        "def f(model, opt, x, y):\n    out = model(x)\n    z = out.logits\n    loss = ce(z.view(-1, V), y.view(-1))\n"
        "    loss.backward()\n    opt.step()\n    return loss.item()\n",
        "def f(model, opt, x, y):\n    h = model.embed(x)\n    loss = head(h, y)\n"
        "    loss.backward()\n    opt.step()\n    return loss.item()\n",
    ),
    edits=edits,
)
