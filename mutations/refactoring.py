"""Ways to rewrite a function that change no bit of what it computes: the same steps, cut and named another way.

Each takes the text of a whole file and gives it back rewritten, or None where there is nothing that it can rewrite
safely: what is evaluated stays the same, in the same order, and so does every name that other code can see.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit, splice
from mutations.source import Source

WIDTH: Final = 120  # characters of a line; what would be longer is left as it is
MOST_PARAMETERS: Final = 6  # of a helper
MOST_RESULTS: Final = 3

Statement = cst.BaseStatement | cst.BaseSmallStatement
Rewriting = Callable[[Source, cst.FunctionDef], str | None]

_LOOKING_AT_LOCALS: Final = frozenset({"locals", "vars", "eval", "exec", "dir"})
_LEAVING: Final = (
    m.Return() | m.Yield() | m.Await() | m.Break() | m.Continue() | m.Global() | m.Nonlocal() | m.Del() | m.Try()
    | m.NamedExpr() | m.FunctionDef() | m.ClassDef() | m.Import() | m.ImportFrom() | m.Match()
)  # fmt: skip
_BINDING_OTHERWISE: Final = (
    m.Global() | m.Nonlocal() | m.NamedExpr() | m.ExceptHandler(name=m.AsName()) | m.Match()
    | m.FormattedStringExpression(equal=m.AssignEqual())
)  # fmt: skip
_MADE_BY: Final = {  # what a value is called that has no name yet, by the call or the operator that makes it
    "arange": "places", "cat": "joined", "exp": "powers", "flatten": "flat", "gelu": "bent", "masked_fill": "visible",
    "matmul": "products", "mean": "average", "ones": "square", "randint": "drawn", "relu": "bent", "silu": "bent",
    "softmax": "shares", "split": "parts", "sum": "total", "transpose": "turned", "tril": "triangle",
    "triu": "triangle", "unsqueeze": "widened", "view": "shaped", "zeros": "empty",
    "Add": "added", "Divide": "scaled", "MatrixMultiply": "products", "Multiply": "scaled", "Subtract": "difference",
}  # fmt: skip
_NUMBER: Final = m.Integer() | m.UnaryOperation(operator=m.Minus(), expression=m.Integer())
_EITHER_WAY: Final = frozenset(
    {"argmax", "flatten", "masked_fill", "softmax", "transpose", "tril", "triu", "unsqueeze"}
)
_NEGATED: Final = {
    cst.Is: "is not", cst.IsNot: "is", cst.Equal: "!=", cst.NotEqual: "==", cst.In: "not in", cst.NotIn: "in",
}  # fmt: skip


class Run(NamedTuple):
    """Statements in a row, all of one block."""

    statements: tuple[Statement, ...]
    start: int
    end: int


def functions(source: Source) -> Iterator[tuple[str, cst.FunctionDef]]:
    """Every function and method that stands in no other function, with its qualified name."""
    for node in source.find(m.FunctionDef()):
        function = cst.ensure_type(node, cst.FunctionDef)
        names: list[str] = []
        around = source.parent(node)
        while not isinstance(around, cst.Module | cst.FunctionDef):
            names = [around.name.value, *names] if isinstance(around, cst.ClassDef) else names
            around = source.parent(around)
        if isinstance(around, cst.Module):
            yield ".".join([*names, function.name.value]), function


def function_named(source: Source, name: str) -> cst.FunctionDef | None:
    """The function of a qualified name; None where there are none or several."""
    found = [function for qualified, function in functions(source) if qualified == name]
    return found[0] if len(found) == 1 else None


def blocks_around(
    source: Source, function: cst.FunctionDef, start: int, end: int
) -> Iterator[tuple[list[Statement], int, int]]:
    """The blocks of a function that hold [start, end), from inside out, and the numbers of the statements that do."""
    for node in reversed(source.find(m.IndentedBlock(), within=function)):
        block = cst.ensure_type(node, cst.IndentedBlock)
        steps: list[Statement] = list(block.body)
        spans = [source.span(step) for step in steps]
        touched = [
            number
            for number, (first, last) in enumerate(spans)
            if source.line_start(first) < max(end, start + 1) and start < source.line_end(last - 1)
        ]
        inside = source.line_start(spans[0][0]) <= start and end <= source.line_end(spans[-1][1] - 1)
        if touched and inside and source.scope(block) is function:
            yield steps, touched[0], touched[-1]


def run_between(source: Source, function: cst.FunctionDef, start: int, end: int) -> Run | None:
    """The statements of one block of a function that take the lines [start, end)."""
    for block in source.find(m.IndentedBlock(), within=function):
        steps = cst.ensure_type(block, cst.IndentedBlock).body
        inside = [each for each in steps if start <= source.span(each)[0] and source.span(each)[1] <= end]
        if inside:
            return run(source, inside)
    return None


def run(source: Source, statements: Sequence[Statement]) -> Run:
    """These statements, and the lines that they take with the comments right above them."""
    first, last = statements[0], statements[-1]
    start = source.line_start(source.span(first)[0])
    while (above := source.line_start(start - 1)) < start and source.code_between(above, start).lstrip()[:1] == "#":
        start = above
    return Run(tuple(statements), start, source.block_end(*source.span(last)))


# A helper of its own


def with_helper(
    source: Source, function: cst.FunctionDef, moved: Run, name: str, docstring: str = "", *, other_names: bool = True
) -> str | None:
    """The statements in a helper that the function calls: a method of the same class, or a function above it.

    Args:
        other_names: whether the helper may call by other names what it is handed.
    """
    body = source.code_between(moved.start, moved.end)
    ends_it = m.matches(moved.statements[-1], m.SimpleStatementLine(body=[m.Return()]))
    leaving = [node for each in moved.statements for node in source.find(_LEAVING, within=each)]
    if '"""' in body or "'''" in body or len(leaving) != ends_it or not _is_whole(source, function):
        return None
    names = _Names.of(source, function)
    if names is None:
        return None
    needed, made = names.across(moved)
    if made is None or (made and ends_it) or len(made) > MOST_RESULTS:
        return None
    is_method = isinstance(outermost(source, function), cst.ClassDef)
    if is_method and names.parameters[:1] != ["self"]:
        return None
    name = f"_{name}" if is_method else name
    if name in _words(source):
        return None
    parameters = tuple(each for each in needed if each != "self")
    if len(parameters) > MOST_PARAMETERS or not (parameters or is_method):
        return None
    helper = _Helper(name, parameters, tuple(made), is_method=is_method, ends_it=ends_it, docstring=docstring)
    edits = [
        source.replace_span(moved.start, moved.end, helper.call(source, moved)),
        helper.added(source, function, moved),
    ]
    if max(len(line) for edit in edits for line in edit.after.splitlines()) > WIDTH:
        return None
    text = splice(_text(source), edits)
    return (_renamed_within(source.file, text, name) if other_names else None) or text


@dataclass(frozen=True, slots=True)
class _Helper:
    """A function that is handed some names and gives back others.

    Attributes:
        ends_it: whether what it gives back is what its caller gives back.
    """

    name: str
    parameters: tuple[str, ...]
    made: tuple[str, ...]
    is_method: bool
    ends_it: bool
    docstring: str

    def call(self, source: Source, moved: Run) -> str:
        """The line that calls it, in the place of what moved."""
        kept = "return " if self.ends_it else f"{', '.join(self.made)} = " if self.made else ""
        owner = "self." if self.is_method else ""
        return f"{_indent(source, moved.statements[0])}{kept}{owner}{self.name}({', '.join(self.parameters)})\n"

    def added(self, source: Source, function: cst.FunctionDef, moved: Run) -> Edit:
        """Its text, below the method that calls it, or above the function."""
        if self.is_method:
            at = source.block_end(*source.span(function))
            return source.replace_span(at, at, f"\n{self._text(source, function, moved)}")
        at = source.body_start(source.span(outermost(source, function))[0], floor=0)
        while source.code_between(at, source.line_end(at)) == "\n":
            at = source.line_end(at)
        return source.replace_span(at, at, f"{self._text(source, function, moved)}\n\n")

    def _text(self, source: Source, function: cst.FunctionDef, moved: Run) -> str:
        margin, indent = _indent(source, function), _indent(source, moved.statements[0])
        inner = margin + source.module.default_indent
        annotated = {
            param.name.value: source.code(param.annotation.annotation)
            for param in function.params.params
            if param.annotation is not None
        }
        shown = [f"{each}: {annotated[each]}" if each in annotated else each for each in self.parameters]
        signature = ", ".join([*(["self"] if self.is_method else []), *shown])
        returns = function.returns if self.ends_it else None
        gives = f" -> {source.code(returns.annotation)}" if returns is not None else ""
        body = source.code_between(moved.start, moved.end).splitlines(keepends=True)
        lines = [f"{margin}def {self.name}({signature}){gives}:\n"]
        lines += [f'{inner}"""{self.docstring}"""\n'] if self.docstring else []
        lines += [f"{inner}{line.removeprefix(indent)}" if line.strip() else line for line in body]
        lines += [f"{inner}return {', '.join(self.made)}\n"] if self.made else []
        return "".join(lines)


def _renamed_within(file: str, text: str, name: str) -> str | None:
    source = Source(file, text)
    helper = next((each for qualified, each in functions(source) if qualified.split(".")[-1] == name), None)
    return with_other_names(source, helper, parameters=True) if helper is not None else None


def _is_whole(source: Source, function: cst.FunctionDef) -> bool:
    """Whether what a function reads says all of what it can see."""
    names = source.find(m.Name(), within=function.body)
    return not any(cst.ensure_type(name, cst.Name).value in _LOOKING_AT_LOCALS for name in names)


# Steps with names, and steps drawn together


def in_steps(source: Source, function: cst.FunctionDef) -> str | None:
    """The first statement of a function that does several things at once does them one by one, each with a name."""
    taken = _words(source)
    for node in source.find(m.SimpleStatementLine(body=[m.Assign() | m.Return()]), within=function):
        line = cst.ensure_type(node, cst.SimpleStatementLine)
        small = line.body[0]
        assert isinstance(small, cst.Assign | cst.Return)
        if isinstance(small, cst.Assign) and not m.matches(small, m.Assign(targets=[m.AssignTarget(m.Name())])):
            continue
        value = small.value
        part = _done_first(value) if value is not None else None
        if part is None or part.lpar or "\n" in source.code(node) or source.scope(node) is not function:
            continue
        name = _unused(_name_for(source, part), taken)
        start, _ = _line_of(source, node)
        indent = source.code_between(start, source.span(node)[0])
        first = f"{indent}{name} = {source.code(part)}\n"
        if len(first) <= WIDTH:
            return splice(_text(source), [source.replace_span(start, start, first), source.replace(part, name)])
    return None


def drawn_together(source: Source, function: cst.FunctionDef) -> str | None:
    """The first two statements of a function of which the second only goes on from the first are one."""
    if not isinstance(function.body, cst.IndentedBlock) or not _is_whole(source, function):
        return None
    names = _Names.of(source, function)
    if names is None:
        return None
    steps = list(function.body.body)
    for number, (first, second) in enumerate(pairwise(steps)):
        if not m.matches(first, m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(m.Name())])])):
            continue
        if not m.matches(second, m.SimpleStatementLine(body=[m.Assign() | m.Return()])):
            continue
        made = cst.ensure_type(cst.ensure_type(first, cst.SimpleStatementLine).body[0], cst.Assign)
        goal = cst.ensure_type(second, cst.SimpleStatementLine).body[0]
        assert isinstance(goal, cst.Assign | cst.Return)
        name = cst.ensure_type(made.targets[0].target, cst.Name).value
        reads = [node for node, written in names.uses(second, name) if not written]
        is_dead = any(written for _, written in names.uses(second, name)) or not any(
            not written for each in steps[number + 2 :] for _, written in names.uses(each, name)
        )
        whole = source.code(first) + source.code(second)
        if len(reads) != 1 or not is_dead or goal.value is None or "\n" in whole or '"""' in whole:
            continue
        if _first_read(goal.value) is not reads[0]:
            continue
        value = _code(source, made.value)
        is_one = isinstance(made.value, cst.Call | cst.Name | cst.Attribute | cst.Subscript) or made.value.lpar
        start, end = _line_of(source, first)
        joined = source.replace(reads[0], value if is_one else f"({value})")
        line = source.code_between(*_line_of(source, second))
        if len(line.rstrip()) + len(joined.after) - len(name) <= WIDTH:
            return splice(_text(source), [source.replace_span(start, end, ""), joined])
    return None


def _done_first(value: cst.BaseExpression) -> cst.BaseExpression | None:
    """A part of an expression that is evaluated before all the rest, and is worth a name."""
    first: cst.BaseExpression | None = None
    if isinstance(value, cst.Call):
        if isinstance(value.func, cst.Attribute) and not _is_plain(value.func):
            first = value.func.value
        elif value.args and _is_plain(value.func) and value.args[0].keyword is None and not value.args[0].star:
            first = value.args[0].value
    elif isinstance(value, cst.BinaryOperation):
        first = value.right if isinstance(value.left, cst.Name) else value.left
        if isinstance(value.left, cst.Name) and isinstance(value.right, cst.BinaryOperation):
            return None  # a scale or a step: a name would say nothing
    elif isinstance(value, cst.Subscript):
        first = value.value
    elif isinstance(value, cst.Tuple) and value.elements:
        first = value.elements[0].value
    return first if isinstance(first, cst.Call | cst.BinaryOperation) else None


def _first_read(value: cst.BaseExpression) -> cst.CSTNode | None:
    """The first name that an expression evaluates, where nothing is called before it; self's layers do not count."""
    while not isinstance(value, cst.Name):
        match value:
            case cst.Call() if isinstance(value.func, cst.Attribute) and not _is_plain(value.func):
                value = value.func.value
            case cst.Call() if _is_plain(value.func) and _base(value.func) in ("self", "torch", "F", "nn", "math"):
                if not value.args or value.args[0].star:
                    return None
                value = value.args[0].value
            case cst.Call():
                value = value.func
            case cst.BinaryOperation():
                value = value.left
            case cst.Attribute() | cst.Subscript():
                value = value.value
            case cst.Tuple() if value.elements:
                value = value.elements[0].value
            case _:
                return None
    return value


# Branches


def other_way_round(source: Source, function: cst.FunctionDef) -> str | None:
    """The first choice between two values, or two ways to return, names its other case first."""
    for node in source.find(m.IfExp(), within=function):
        choice = cst.ensure_type(node, cst.IfExp)
        test = _negated(source, choice.test)
        if test is not None and "\n" not in source.code(choice):
            after = f"{source.code(choice.orelse)} if {test} else {source.code(choice.body)}"
            is_plain = not (choice.orelse.lpar or choice.body.lpar)
            if is_plain and not isinstance(choice.orelse, cst.IfExp | cst.Lambda):
                return splice(_text(source), [source.replace(choice, after)])
    block = function.body
    if not isinstance(block, cst.IndentedBlock) or len(block.body) < 2:
        return None
    branch, last = block.body[-2:]
    returning = m.SimpleStatementLine(body=[m.Return(value=m.DoNotCare())])
    if m.matches(branch, m.If(body=m.IndentedBlock(body=[returning]), orelse=None)) and m.matches(last, returning):
        branch = cst.ensure_type(branch, cst.If)
        inner = cst.ensure_type(branch.body, cst.IndentedBlock).body[0]
        test = _negated(source, branch.test)
        if test is not None:
            edits = [source.replace(branch.test, test), source.replace(inner, source.code(last))]
            return splice(_text(source), [*edits, source.replace(last, source.code(inner))])
    return None


def _negated(source: Source, test: cst.BaseExpression) -> str | None:
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return _code(source, test.expression)
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        word = _NEGATED.get(type(test.comparisons[0].operator))
        right = test.comparisons[0].comparator
        return f"{_code(source, test.left)} {word} {_code(source, right)}" if word is not None else None
    return f"not {source.code(test)}" if isinstance(test, cst.Name | cst.Attribute | cst.Call) else None


# Spellings


def spelt_otherwise(source: Source, function: cst.FunctionDef, is_to: Callable[[], bool] = lambda: True) -> str | None:
    """Calls that can be written in two ways are written in the other one.

    Args:
        is_to: decides for each whether it is.
    """
    edits: list[Edit] = []
    for node in source.find(m.Call() | m.Subscript(), within=function.body):
        after = _other_spelling(source, node)
        inside_another = edits and edits[-1].start <= source.span(node)[0] < edits[-1].end
        if after is not None and not inside_another and is_to():
            edits.append(source.replace(node, after))
    return splice(_text(source), edits) if edits else None


def _other_spelling(source: Source, node: cst.CSTNode) -> str | None:
    """`x.size(0)` and `x.shape[0]`, `x.softmax(-1)` and `torch.softmax(x, -1)`, `cat((a, b))` and `cat([a, b])`."""
    if m.matches(
        node, m.Subscript(value=m.Attribute(attr=m.Name("shape")), slice=[m.SubscriptElement(m.Index(_NUMBER))])
    ):
        shape = cst.ensure_type(node, cst.Subscript)
        of = cst.ensure_type(shape.value, cst.Attribute).value
        return f"{source.code(of)}.size({source.code(shape.slice[0])})" if _is_plain(of) else None
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
        return None
    of, name, arguments = node.func.value, node.func.attr.value, [source.code(arg) for arg in node.args]
    if name == "size" and m.matches(node, m.Call(args=[m.Arg(value=_NUMBER, keyword=None)])) and _is_plain(of):
        return f"{source.code(of)}.shape[{arguments[0]}]"
    joined = node.args[0].value if node.args else None
    if name in ("cat", "stack") and isinstance(joined, cst.Tuple | cst.List) and _base(of) == "torch":
        inner = source.code(joined)[1:-1] if isinstance(joined, cst.List) else None
        inner = inner if inner is not None else ", ".join(source.code(each.value) for each in joined.elements)
        bracketed = f"[{inner}]" if isinstance(joined, cst.Tuple) else f"({inner})"
        return (
            f"torch.{name}({', '.join([bracketed, *map(source.code, node.args[1:])])})"
            if len(joined.elements) > 1
            else None
        )
    if name not in _EITHER_WAY or "\n" in source.code(node) or any(arg.star for arg in node.args):
        return None
    if _base(of) == "torch" and isinstance(of, cst.Name) and joined is not None and node.args[0].keyword is None:
        is_one = isinstance(joined, cst.Name | cst.Call | cst.Attribute | cst.Subscript)
        return f"{source.code(joined)}.{name}({', '.join(map(source.code, node.args[1:]))})" if is_one else None
    is_tensor = isinstance(of, cst.Name | cst.Call | cst.Subscript | cst.BinaryOperation) and _base(of) not in (
        "F",
        "nn",
    )
    return f"torch.{name}({', '.join([source.code(of), *map(source.code, node.args)])})" if is_tensor else None


# Names

OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "a": ("left",), "b": ("right",), "accuracies": ("hits", "rates"), "accuracy": ("hit_rate",),
    "all_logits": ("every_score",), "att": ("affinity", "shares"), "attn": ("affinity", "shares"),
    "batches": ("data",), "cfg": ("settings",), "class_logits": ("class_scores",), "class_loss": ("label_loss",),
    "config": ("settings", "sizes"), "decay": ("shrunk",), "emb": ("embedded",), "generator": ("source", "stream"),
    "grad_norm": ("length",), "group": ("part",), "groups": ("parts", "param_groups"), "h": ("hidden", "state"),
    "head": ("readout", "top"), "hidden": ("state", "h"), "k": ("keys",), "keys": ("k",),
    "layers": ("levels", "stack"), "lm_loss": ("text_loss", "token_loss"), "logits": ("scores", "outputs"),
    "loss": ("total", "objective"), "losses": ("record", "objectives"), "lm_losses": ("text_losses", "token_losses"),
    "mask": ("hidden", "blocked"), "modes": ("before", "states"), "next_token": ("chosen", "following"),
    "optimizer": ("updater", "opt"), "out": ("result", "y"), "parameters": ("tensors", "params"),
    "past": ("before", "history"), "position": ("place",), "positions": ("places", "pos"), "present": ("grown", "now"),
    "q": ("queries",), "queries": ("q",), "residual_std": ("small_std",), "scores": ("affinity", "similarity"),
    "start": ("first",), "std": ("spread",), "stride": ("pace",), "sequence": ("row", "counted"),
    "targets": ("wanted", "labels_next"), "tok": ("token_part",), "tokens": ("ids", "text"),
    "unread": ("fresh", "waiting"), "v": ("values",), "values": ("v",), "weights": ("shares", "mixture"),
    "x": ("h", "stream"), "y": ("mixed", "out"), "xb": ("inputs",), "yb": ("wanted",), "pos": ("places",),
}  # fmt: skip
"""What people call the same things in code of this kind."""


def with_other_names(
    source: Source,
    function: cst.FunctionDef,
    pick: Callable[[Sequence[str]], str | None] = lambda names: names[0],
    *,
    parameters: bool = False,
    kept: Collection[str] = (),
) -> str | None:
    """The locals of a function have other names, in its code and in the comments and docstring that speak of them.

    Args:
        pick: chooses among what a local may be called; None leaves it as it is.
        parameters: whether parameters get other names too: where no caller uses their names.
        kept: names that stay.
    """
    names = _Names.of(source, function)
    if names is None or not _is_whole(source, function) or source.find(m.FunctionDef() | m.ClassDef(), function.body):
        return None
    given = {param.name.value for param in _params(function)}
    taken = _words(source)
    renamed: dict[str, str] = {}
    for old in sorted(names.bound):
        free = [new for new in OTHER_NAMES.get(old, ()) if new not in taken]
        if (
            old != "self"
            and old not in kept
            and free
            and (parameters or old not in given)
            and (new := pick(free)) is not None
        ):
            renamed[old] = new
            taken.add(new)
    if not renamed:
        return None
    edits = [source.replace(node, renamed[old]) for old in renamed for node in names.tokens(old, parameters=parameters)]
    for node in source.find(m.Comment() | m.SimpleString(), within=function):
        said = source.code(node)
        if isinstance(node, cst.Comment) or (said.startswith('"""') and isinstance(source.parent(node), cst.Expr)):
            changed = retold(said, renamed)
            edits += [source.replace(node, changed)] if changed != said else []
    text = splice(_text(source), edits)
    return None if max(map(len, text.splitlines())) > max(WIDTH, *map(len, _text(source).splitlines())) else text


def retold(said: str, renamed: Mapping[str, str]) -> str:
    """A comment or a docstring with other names for what it speaks of by name.

    A name that is a word of English as well counts as a name in backticks, before the colon of an `Args:` entry and
    in code.
    """
    for old, new in renamed.items():
        name = rf"(?<![\w.]){re.escape(old)}(?!\w)"
        if "_" in old:
            said = re.sub(name, new, said)
        else:
            said = re.sub(rf"`{name}`", f"`{new}`", said)
            said = re.sub(rf"(?m)^(\s+(?:\w+, )*){name}((?:, \w+)*: )", rf"\g<1>{new}\2", said)
    return said


class _Names:
    """What a function binds, and where: a name that an inner scope binds too is more than this can tell apart."""

    def __init__(self, source: Source, function: cst.FunctionDef) -> None:
        self._source, self._function = source, function
        self._written: dict[str, list[cst.CSTNode]] = {}
        self._read: dict[str, list[cst.CSTNode]] = {}
        self._inner: set[str] = set()
        for node in source.find(m.Name(), within=function.body):
            self._note(cst.ensure_type(node, cst.Name))
        self.parameters = [param.name.value for param in _params(function)]
        self.bound = {*self.parameters, *self._written}

    @classmethod
    def of(cls, source: Source, function: cst.FunctionDef) -> "_Names | None":
        """None where a name means one thing here and another one there."""
        names = cls(source, function)
        declared = source.find(_BINDING_OTHERWISE, function)
        return None if names._inner & names.bound or declared else names

    def uses(self, within: cst.CSTNode, name: str) -> list[tuple[cst.CSTNode, bool]]:
        """Where a name is used in a region, and whether it is written there."""
        start, end = self._source.span(within)
        found = [(node, False) for node in self._read.get(name, ())]
        found += [(node, True) for node in self._written.get(name, ())]
        return [(node, written) for node, written in found if start <= self._source.span(node)[0] < end]

    def tokens(self, name: str, *, parameters: bool) -> list[cst.CSTNode]:
        """Every place where a name stands, once each."""
        heads = [param.name for param in _params(self._function) if parameters and param.name.value == name]
        return list(dict.fromkeys([*self._read.get(name, ()), *self._written.get(name, ()), *heads]))

    def across(self, moved: Run) -> tuple[list[str], list[str] | None]:
        """What statements need that is bound before them, and what they make that is read elsewhere.

        What they make is None where it may not have been made, or belongs to an inner scope.
        """
        in_a_loop = moved.statements[0] not in self._function.body.body
        written: set[str] = set()
        maybe: set[str] = set()
        needed: set[str] = set()
        for statement in moved.statements:
            uses = {name: self.uses(statement, name) for name in self.bound}
            read = {name for name, here in uses.items() if any(not is_written for _, is_written in here)}
            needed |= {name for name in read - written if self._may_be_bound(name, moved, in_a_loop)}
            made = {name for name, here in uses.items() if any(is_written for _, is_written in here)}
            if isinstance(statement, cst.SimpleStatementLine):
                written |= made
            else:
                maybe |= made
        outside = {name for name in written | maybe if self._is_read_outside(moved, name)}
        outside |= (written | maybe) & needed if in_a_loop else set()
        if self._inner & (needed | written | maybe) or (maybe & outside) - written - needed:
            return [], None
        return sorted(needed, key=self._order), sorted(outside, key=self._order)

    def _may_be_bound(self, name: str, moved: Run, in_a_loop: bool) -> bool:
        """Whether a name may have a value when a run begins."""
        places = [self._source.span(node)[0] for node in self._written.get(name, ())]
        return name in self.parameters or any(at < moved.start or (in_a_loop and at >= moved.end) for at in places)

    def _is_read_outside(self, moved: Run, name: str) -> bool:
        places = [self._source.span(node)[0] for node in self._read.get(name, ())]
        return any(not moved.start <= at < moved.end for at in places)

    def _order(self, name: str) -> tuple[int, int]:
        if name in self.parameters:
            return 0, self.parameters.index(name)
        return 1, min((self._source.span(node)[0] for node in self._written.get(name, ())), default=0)

    def _note(self, node: cst.Name) -> None:
        part: cst.CSTNode = node
        parent = self._source.parent(node)
        match parent:
            case cst.Attribute():
                is_label = parent.attr is node
            case cst.Arg():
                is_label = parent.keyword is node
            case cst.Param():
                is_label = parent.name is node
                self._inner |= {node.value} if is_label else set()
            case cst.FunctionDef() | cst.ClassDef() | cst.ImportAlias():
                is_label = parent.name is node
                self._inner |= {node.value}
            case _:
                is_label = False
        if is_label:
            return
        while isinstance(parent, cst.Element | cst.StarredElement | cst.Tuple | cst.List | cst.AsName):
            parent, part = self._source.parent(parent), parent
        if isinstance(parent, cst.CompFor) and parent.target is part:
            self._inner.add(node.value)
        elif isinstance(parent, cst.AugAssign) and parent.target is part:
            self._written.setdefault(node.value, []).append(node)
            self._read.setdefault(node.value, []).append(node)
        elif (isinstance(parent, cst.AssignTarget | cst.AnnAssign | cst.For) and parent.target is part) or (
            isinstance(parent, cst.WithItem) and parent.asname is part
        ):
            self._written.setdefault(node.value, []).append(node)
        else:
            self._read.setdefault(node.value, []).append(node)


def _params(function: cst.FunctionDef) -> list[cst.Param]:
    given = function.params
    starred = [each for each in (given.star_arg, given.star_kwarg) if isinstance(each, cst.Param)]
    return [*given.posonly_params, *given.params, *given.kwonly_params, *starred]


def outermost(source: Source, node: cst.CSTNode) -> cst.CSTNode:
    """What stands at the top of the file and holds a node."""
    while not isinstance(source.parent(node), cst.Module):
        node = source.parent(node)
    return node


def _indent(source: Source, node: cst.CSTNode) -> str:
    line = source.code_between(*_line_of(source, node))
    return line[: len(line) - len(line.lstrip())]


def _line_of(source: Source, node: cst.CSTNode) -> tuple[int, int]:
    start, end = source.span(node)
    return source.line_start(start), source.line_end(end - 1)


def _text(source: Source) -> str:
    return source.module.code


def _code(source: Source, value: cst.BaseExpression) -> str:
    """An expression with the parentheses around it."""
    return f"{'(' * len(value.lpar)}{source.code(value)}{')' * len(value.rpar)}"


def _words(source: Source) -> set[str]:
    return {cst.ensure_type(node, cst.Name).value for node in source.find(m.Name())}


def _is_plain(value: cst.BaseExpression) -> bool:
    """Whether it is a name, or a chain of attributes of one."""
    while isinstance(value, cst.Attribute):
        value = value.value
    return isinstance(value, cst.Name)


def _base(value: cst.BaseExpression) -> str:
    while isinstance(value, cst.Attribute):
        value = value.value
    return value.value if isinstance(value, cst.Name) else ""


def _name_for(source: Source, value: cst.BaseExpression) -> str:
    """What a value may be called, by what makes it."""
    if isinstance(value, cst.BinaryOperation):
        return _MADE_BY.get(type(value.operator).__name__, "part")
    called = cst.ensure_type(value, cst.Call).func
    name = called.attr.value if isinstance(called, cst.Attribute) else source.code(called)
    return _MADE_BY.get(name, "inner" if not name.isidentifier() or len(name) > 14 else f"{name.strip('_')}_out")


def _unused(name: str, taken: Collection[str]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found
