"""The same program in other words: it computes the same, and its text is another one.

Some ways to say a thing otherwise, each for whatever it finds in the functions of a text: names are fetched by calls,
numbers are made of others, operands and branches change sides, locals have other names. What a caller sees stays:
functions, parameters and their defaults, classes, annotations, texts, and the order in which anything is evaluated.
"""

import ast
import builtins
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from typing import Final, cast

from mutations.ways import Way

Function = ast.FunctionDef | ast.AsyncFunctionDef
_NESTED: Final = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DEFINITIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OTHER_SIDE: Final = {ast.Eq: ast.Eq, ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
_LOOKING_AT_LOCALS: Final = {"locals", "vars", "eval", "exec", "dir"}
_KEEPING_ORDER: Final = {"dict", "OrderedDict", "ModuleDict", "ParameterDict", "defaultdict", "Counter", "update"}


def reworded(text: str, seed: int, share: float = 0.5, ways: Iterable[str] = tuple(Way)) -> str:
    """The text without comments and docstrings, with a local more in every function, and said otherwise here and there.

    Args:
        share: of the places where something can be said otherwise, how many are.

    Raises:
        SyntaxError, ValueError: it is no Python, or cannot be written down again.
    """
    tree = ast.parse(text)
    rewording = _Rewording(tree, Random(seed), share, {Way(way) for way in ways})
    tree.body = [rewording.outside(statement) for statement in _without_docstring(tree.body)]
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


class _Rewording(ast.NodeTransformer):
    def __init__(self, tree: ast.Module, random: Random, share: float, ways: set[Way]) -> None:
        self._random = random
        self._share = share
        self._ways = ways
        bound = Counter(_bound(tree))
        # A star may bring any name.
        self._builtins = {name for name in dir(builtins) if name not in bound} if "*" not in bound else set()
        at_top = set(_bound_at_top(tree))
        self._globals = {name for name in at_top if bound[name] == sum(name == other for other in _bound_at_top(tree))}
        self._taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | set(bound)

    # Outside of functions all stays as it is, but for docstrings

    def outside(self, node: ast.stmt) -> ast.stmt:
        if isinstance(node, Function):
            return self._function(node)
        for field, value in ast.iter_fields(node):
            if isinstance(value, list) and any(isinstance(part, ast.stmt) for part in value):
                body = _without_docstring(value) if isinstance(node, ast.ClassDef) else value
                setattr(node, field, [self.outside(part) for part in body] or [ast.Pass()])
        return node

    def _function(self, node: Function) -> Function:
        node.body = _without_docstring(node.body)
        if self._may(Way.LOCALS):
            self._rename_locals(node)
        body: list[ast.stmt] = [ast.Assign([ast.Name(self._new_name(), ast.Store())], ast.Constant(None))]
        for statement in node.body:
            changed = self.visit(statement)
            body += changed if isinstance(changed, list) else [changed]
        node.body = body
        return node

    # Within functions

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Function:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Function:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.stmt:
        return self.outside(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.JoinedStr:
        return node  # what is quoted within quotes cannot always be written down again

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        node.body = [part for each in node.body for part in _listed(self.visit(each))]
        return node  # a pattern can hold no call

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        value = node.value
        if type(value) is int and self._can("int", "sum") and self._is_to(Way.NUMBERS):
            apart = self._random.randint(1, 9)
            return self._random.choice(
                [
                    _call("int", ast.Constant(str(value))),
                    _call(
                        "sum", ast.Tuple([ast.Constant(value + apart), ast.UnaryOp(ast.USub(), ast.Constant(apart))])
                    ),
                ]
            )
        if type(value) is float and self._can("float") and self._is_to(Way.NUMBERS):
            return _call("float", ast.Constant(repr(value)))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        is_loaded = isinstance(node.ctx, ast.Load) and not node.attr.startswith("__")
        if is_loaded and self._can("getattr") and self._is_to(Way.ATTRIBUTES):
            return _call("getattr", node.value, self._made(node.attr))
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        is_global = isinstance(node.ctx, ast.Load) and node.id in self._globals and not node.id.startswith("__")
        if is_global and self._can("globals") and self._is_to(Way.GLOBALS):
            return ast.Subscript(_call("globals"), self._made(node.id), ast.Load())
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.BinOp:
        one_is_a_number = _is_number(node.left) != _is_number(node.right)
        if one_is_a_number and isinstance(node.op, ast.Add | ast.Mult) and self._is_to(Way.OPERANDS):
            node.left, node.right = node.right, node.left
        self.generic_visit(node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.Compare:
        if len(node.ops) == 1 and (_is_number(node.left) != _is_number(node.comparators[0])):
            other = _OTHER_SIDE.get(type(node.ops[0]))
            if other is not None and self._is_to(Way.OPERANDS):
                node.left, node.comparators, node.ops = node.comparators[0], [node.left], [other()]
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        named = [keyword for keyword in node.keywords if keyword.arg is not None]
        movable = name and name not in _KEEPING_ORDER and len(named) == len(node.keywords) > 1
        if movable and all(_is_plain(keyword.value) for keyword in named) and self._is_to(Way.KEYWORDS):
            node.keywords.reverse()
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return node
        self.generic_visit(node)
        return node

    def visit_IfExp(self, node: ast.IfExp) -> ast.IfExp:
        if self._is_to(Way.BRANCHES):
            node.test = ast.UnaryOp(ast.Not(), node.test)
            node.body, node.orelse = node.orelse, node.body
        self.generic_visit(node)
        return node

    def visit_If(self, node: ast.If) -> ast.If:
        if node.orelse and self._is_to(Way.BRANCHES):
            node.test = ast.UnaryOp(ast.Not(), node.test)
            node.body, node.orelse = node.orelse, node.body
        self.generic_visit(node)
        return node

    def visit_Return(self, node: ast.Return) -> ast.stmt | list[ast.stmt]:
        self.generic_visit(node)
        if node.value is not None and self._is_to(Way.RETURNS):
            name = self._new_name()
            return [ast.Assign([ast.Name(name, ast.Store())], node.value), ast.Return(ast.Name(name, ast.Load()))]
        return node

    # What it takes

    def _rename_locals(self, function: Function) -> None:
        """Give other names to locals that no scope within the function sees, and that nothing but assigning makes."""
        own: list[ast.AST] = []
        within: list[ast.AST] = []
        for statement in function.body:
            _divide(statement, own, within)
        used = {node.id for node in own if isinstance(node, ast.Name)}
        if used & _LOOKING_AT_LOCALS:
            return
        stored = {node.id for node in own if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        elsewhere = {name for node in within for name in _mentioned(node)} | {
            name for node in own if not isinstance(node, ast.Name) for name in _bound_by(node)
        }
        arguments = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
        names = {
            name: self._new_name()
            for name in sorted(stored - elsewhere - arguments)
            if self._random.random() < self._share
        }
        for node in own:
            if isinstance(node, ast.Name):
                node.id = names.get(node.id, node.id)

    def _new_name(self) -> str:
        while (name := f"local_{self._random.randrange(1 << 32):x}") in self._taken:
            pass
        self._taken.add(name)
        return name

    def _made(self, name: str) -> ast.expr:
        """The name as a text that is put together, so that it stands nowhere as a whole."""
        at = self._random.randint(1, max(1, len(name) - 1))
        parts = ast.Tuple([ast.Constant(part) for part in (name[:at], name[at:])], ast.Load())
        backwards = ast.Slice(step=ast.UnaryOp(ast.USub(), ast.Constant(1)))
        ways: list[ast.expr] = [
            _method(ast.Constant(""), "join", parts),
            ast.Subscript(ast.Constant(name[::-1]), backwards, ast.Load()),
            _method(ast.Constant("{}{}"), "format", *parts.elts),
        ]
        if self._can("bytes"):
            ways.append(
                _method(_method(ast.Name("bytes", ast.Load()), "fromhex", ast.Constant(name.encode().hex())), "decode")
            )
        return self._random.choice(ways)

    def _can(self, *names: str) -> bool:
        """Whether these names are Python's own here."""
        return self._builtins.issuperset(names)

    def _may(self, way: Way) -> bool:
        return way in self._ways

    def _is_to(self, way: Way) -> bool:
        return self._may(way) and self._random.random() < self._share


def _call(function: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(function, ast.Load()), list(arguments), [])


def _method(of: ast.expr, name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(of, name, ast.Load()), list(arguments), [])


def _listed(changed: ast.AST | list[ast.stmt]) -> list[ast.stmt]:
    return changed if isinstance(changed, list) else [cast("ast.stmt", changed)]


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(ast.Constant(str())), *rest]:
            return rest
    return body


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def _is_plain(node: ast.expr) -> bool:
    """Whether nothing happens when it is evaluated."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name | ast.Constant)


def _bound(tree: ast.AST) -> Iterator[str]:
    """Every name that anything in the tree binds, once for each time."""
    for node in ast.walk(tree):
        yield from _bound_by(node)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id


def _bound_by(node: ast.AST) -> Iterator[str]:
    """The names that something other than a plain target binds."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.arg():
            yield node.arg
        case ast.Import() | ast.ImportFrom():
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        case ast.Global() | ast.Nonlocal():
            yield from node.names
        case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
            yield from [node.name] if node.name else []
        case ast.MatchMapping():
            yield from [node.rest] if node.rest else []
        case ast.NamedExpr():
            yield node.target.id


def _bound_at_top(tree: ast.Module) -> Iterator[str]:
    for statement in tree.body:
        if isinstance(statement, ast.Assign):
            yield from (target.id for target in statement.targets if isinstance(target, ast.Name))
        elif isinstance(statement, (*_DEFINITIONS, ast.Import, ast.ImportFrom)):
            yield from _bound_by(statement)


def _divide(node: ast.AST, own: list[ast.AST], within: list[ast.AST]) -> None:
    """What belongs to the scope that a node is in, and the scopes within."""
    if isinstance(node, (*_DEFINITIONS, *_NESTED)):
        within.append(node)
        return
    own.append(node)
    for child in ast.iter_child_nodes(node):
        _divide(child, own, within)


def _mentioned(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
        yield from _bound_by(each)
