"""Where code could leave something behind: what keeps it from building a graph, and where a function begins."""

from collections.abc import Iterator

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.source import Source

WITHOUT_GRADIENTS = m.Decorator(
    m.Call(func=m.Attribute(value=m.Name("torch"), attr=m.Name("no_grad") | m.Name("inference_mode")), args=[])
)
PICKS = m.Call(func=m.Attribute(attr=m.Name("argmax") | m.Name("multinomial")))
DOCSTRING = m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())])


def functions(source: Source) -> Iterator[cst.FunctionDef]:
    """Every function of a file, in the order of the text."""
    for node in source.find(m.FunctionDef(body=m.IndentedBlock())):
        yield cst.ensure_type(node, cst.FunctionDef)


def generators(source: Source) -> Iterator[cst.FunctionDef]:
    """Methods that call the model in a loop, and pick a token by its scores each time."""
    for function in functions(source):
        calls = source.find(m.Call(func=m.Name("self")), within=function)
        loops = source.find(m.For() | m.While(), within=function)
        if calls and loops and source.find(PICKS, within=function):
            yield function


def without_decorator(source: Source, function: cst.FunctionDef) -> Iterator[Edit]:
    """The function without the line that keeps it from building a graph, where torch is known for other things too."""
    torch = source.find(m.Attribute(value=m.Name("torch")))
    for decorator in function.decorators:
        if m.matches(decorator, WITHOUT_GRADIENTS) and len(torch) > 1:
            start, end = source.span(decorator)
            yield source.replace_span(source.line_start(start), source.line_end(end), "")


def begun_with(source: Source, function: cst.FunctionDef, line: str) -> Edit:
    """One more line in front of all that a function does, below its docstring."""
    first = next(each for each in function.body.body if not m.matches(each, DOCSTRING))
    start, _ = source.span(first)
    return source.replace_span(start, start, f"{line}\n{source.code_between(source.line_start(start), start)}")
