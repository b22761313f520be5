"""Losses, what they compare, and the sums that several of them make."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.roles.calls import argument
from mutations.roles.layers import OTHER_TASKS, function_name, owner_of
from mutations.roles.owners import takes
from mutations.roles.reads import reads
from mutations.roles.sizes import resolve
from mutations.source import Source

SIZES = re.compile(r"batch|size|len|num|count|tokens|\bn\b|\bB\b|shape", re.IGNORECASE)
BALANCE = re.compile(r"router|expert|balanc|moe|z_loss", re.IGNORECASE)
FLATTENED = m.Call(func=m.Attribute(value=m.Name(), attr=m.OneOf(*map(m.Name, ("flatten", "view", "reshape")))))


class CrossEntropy(NamedTuple):
    """A call that compares logits and targets."""

    call: cst.Call
    logits: cst.BaseExpression
    targets: cst.BaseExpression


class Shift(NamedTuple):
    """Two windows on one sequence, the second a token later: `sequence[:, :-1]` and `sequence[:, 1:]`."""

    tokens: cst.Subscript
    targets: cst.Subscript


class WeightedSum(NamedTuple):
    """One loss plus a weight times another."""

    node: cst.BinaryOperation | cst.AugAssign
    plain: cst.BaseExpression
    product: cst.BinaryOperation
    weight: cst.BaseExpression
    weighted: cst.BaseExpression


def is_about_classes(text: str) -> bool:
    """Whether a piece of code speaks of classes, as a classifier's does."""
    return "class" in text.lower() or "cls" in text.lower()


def settings(source: Source, *, classes: bool) -> Iterator[cst.Call]:
    """Calls that can say how a cross-entropy is to be taken: the function, or the module when it is made."""
    for node in source.find(m.Call(func=m.Attribute() | m.Name())):
        call = cst.ensure_type(node, cst.Call)
        name = function_name(call)
        is_entropy = name == "CrossEntropyLoss" or (name == "cross_entropy" and len(call.args) >= 2)
        is_plain = is_entropy and not any(arg.star or _is_for_each(source, arg) for arg in call.args)
        if is_plain and not _is_of_another_task(source, call) and is_about_classes(_around(source, call)) == classes:
            yield call


def _is_of_another_task(source: Source, call: cst.Call) -> bool:
    """Whether a loss is that of a model for something else than the next token or a class: answers, choices."""
    owner = owner_of(source, call)
    return owner is not None and bool(OTHER_TASKS.search(owner.name.value))


def _is_for_each(source: Source, arg: cst.Arg) -> bool:
    """Whether a call asks for the loss of each token: to compare texts by, as an evaluation does."""
    is_reduction = arg.keyword is not None and arg.keyword.value == "reduction"
    return is_reduction and source.code(arg.value).strip("'\"") == "none"


def cross_entropies(source: Source) -> Iterator[CrossEntropy]:
    """Where the language model's logits are compared with its targets."""
    for call in settings(source, classes=False):
        logits, targets = argument(call, 0, "input"), argument(call, 1, "target")
        if function_name(call) == "cross_entropy" and logits is not None and targets is not None:
            yield CrossEntropy(call, logits.value, targets.value)


def flattened(expression: cst.BaseExpression) -> cst.Name | None:
    """The name whose first two dimensions are made one: `x` of `x.view(-1, V)`."""
    if not m.matches(expression, FLATTENED):
        return None
    return cst.ensure_type(cst.ensure_type(cst.ensure_type(expression, cst.Call).func, cst.Attribute).value, cst.Name)


def with_option(source: Source, call: cst.Call, keyword: str, value: str) -> Edit | None:
    """Give a call one more option, or another value for one that it has.

    None where it has that value already, or what is called has no such option.
    """
    if not takes(source, call, keyword):
        return None
    given = argument(call, len(call.args), keyword)
    if given is not None:
        same = source.code(given.value).strip("'\"") == value.strip("'\"")
        return None if same else source.replace_within(call, given.value, value)
    if not call.args:
        return source.replace(call, f"{source.code(call.func)}({keyword}={value})")
    start, end = source.span(call.args[-1])
    if isinstance(call.args[-1].comma, cst.Comma):
        end = source.span(call.args[-1].comma)[0]
    first, closing = source.span(call.args[0])[0], source.code_between(end, source.span(call)[1])
    is_one_a_line = "\n" in closing and "\n" in source.code_between(source.span(call.func)[1], first)
    indent = source.code_between(source.line_start(start), start)
    separator = f",\n{indent}" if is_one_a_line and not indent.strip() else ", "
    return source.replace_within(call, call.args[-1], f"{source.code(call.args[-1])}{separator}{keyword}={value}")


def shifts(source: Source) -> Iterator[Shift]:
    """Windows on the same sequence, one right after the other in the text, of which the second starts a token later."""
    windows = [
        window
        for node in source.find(m.Subscript())
        if (window := cst.ensure_type(node, cst.Subscript)) and _slice(window) is not None
    ]
    for tokens, targets in pairwise(windows):
        if tokens.value.deep_equals(targets.value) and _is_later(source, tokens, targets):
            yield Shift(tokens, targets)


def weighted_sums(source: Source) -> Iterator[WeightedSum]:
    """Sums of two losses, one of which has a weight."""
    product = m.BinaryOperation(operator=m.Multiply())
    for node in source.find(
        m.BinaryOperation(operator=m.Add(), left=product)
        | m.BinaryOperation(operator=m.Add(), right=product)
        | m.AugAssign(operator=m.AddAssign(), value=product)
    ):
        if isinstance(node, cst.AugAssign):
            parts: list[tuple[cst.BaseExpression, cst.BaseExpression]] = [(node.target, node.value)]
        else:
            addition = cst.ensure_type(node, cst.BinaryOperation)
            parts = [(addition.left, addition.right), (addition.right, addition.left)]
        for plain, term in parts:
            found = _weighted(source, term)
            if found is not None and _is_loss(source, plain) and not _is_of_something_else(source, node, found[1]):
                assert isinstance(node, cst.BinaryOperation | cst.AugAssign)
                yield WeightedSum(node, plain, *found)


def _is_of_something_else(source: Source, node: cst.CSTNode, weight: cst.BaseExpression) -> bool:
    """Whether a sum is no total of the losses of a language model and a classifier.

    A running total that is weighted by the size of a batch, the balance of experts, and whatever speaks neither of
    classes nor of a second loss beside the first.
    """
    around = source.code(source.scope(node))
    is_second = is_about_classes(around) or "aux" in around.lower() or "label" in around.lower()
    is_size = SIZES.search(source.code(weight)) is not None
    return not is_second or is_size or BALANCE.search(around) is not None


def _weighted(
    source: Source, term: cst.BaseExpression
) -> tuple[cst.BinaryOperation, cst.BaseExpression, cst.BaseExpression] | None:
    if not isinstance(term, cst.BinaryOperation) or not isinstance(term.operator, cst.Multiply):
        return None
    for weight, weighted in ((term.left, term.right), (term.right, term.left)):
        if isinstance(weight, cst.Name | cst.Attribute) and _is_loss(source, weighted) and not _is_loss(source, weight):
            return term, weight, weighted
    return None


def _is_loss(source: Source, expression: cst.BaseExpression) -> bool:
    """Whether an expression is a loss: called so, or computed by something that is."""
    value = resolve(source, expression)
    words = function_name(value) if isinstance(value, cst.Call) else ""
    if isinstance(expression, cst.Name):
        words += f" {expression.value}"
    return "loss" in words.lower() or "entropy" in words.lower()


def _around(source: Source, call: cst.Call) -> str:
    """What says which logits a loss is for: their names, the function's, the class's, and the name of the result."""
    scope, parent = source.scope(call), source.parent(call)
    words = source.code(call.args[0]) if call.args else ""
    if isinstance(scope, cst.FunctionDef):
        words += f" {scope.name.value}"
    owner = owner_of(source, call)
    if owner is not None:
        words += f" {owner.name.value}"
    if isinstance(parent, cst.Assign):
        words += f" {source.code(parent.targets[0].target)}"
    return words


def _slice(window: cst.Subscript) -> cst.Slice | None:
    """The slice of the last dimension."""
    last = window.slice[-1].slice
    return last if isinstance(last, cst.Slice) and last.step is None else None


def _is_later(source: Source, tokens: cst.Subscript, targets: cst.Subscript) -> bool:
    first, second = _slice(tokens), _slice(targets)
    if first is None or second is None or len(tokens.slice) != len(targets.slice) or second.lower is None:
        return False
    if first.upper is None:
        return False
    if first.lower is None or m.matches(first.lower, m.Integer("0")):
        is_whole = m.matches(first.upper, m.UnaryOperation(operator=m.Minus())) and second.upper is None
        return m.matches(second.lower, m.Integer("1")) and (is_whole or second.upper is not None)
    return any(
        m.matches(second.lower, m.BinaryOperation(left=left, operator=m.Add(), right=right))
        and bool(reads(source, first.lower, within=second.lower))
        for left, right in ((m.Name(), m.Integer("1")), (m.Integer("1"), m.Name()))
    )
