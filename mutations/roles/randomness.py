"""Where random numbers come from, and what decides which."""

from collections.abc import Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.source import Source

SEED_TORCH = m.Call(func=m.Attribute(attr=m.Name("manual_seed")), args=[m.Arg(keyword=None, star="")])


class Draw(NamedTuple):
    """A call that draws from a generator that its function was given."""

    function: cst.FunctionDef
    call: cst.Call
    generator: cst.Arg


def parameters(function: cst.FunctionDef) -> list[str]:
    """The names of what a function is given."""
    found = (*function.params.posonly_params, *function.params.params, *function.params.kwonly_params)
    return [parameter.name.value for parameter in found]


def draws(source: Source) -> Iterator[Draw]:
    """Calls that pass on, as `generator=`, a parameter of the function around them."""
    for node in source.find(m.Call(args=[m.ZeroOrMore(), m.Arg(keyword=m.Name("generator")), m.ZeroOrMore()])):
        call, function = cst.ensure_type(node, cst.Call), source.scope(node)
        passed = next(arg for arg in call.args if arg.keyword is not None and arg.keyword.value == "generator")
        if (
            isinstance(function, cst.FunctionDef)
            and isinstance(passed.value, cst.Name)
            and passed.value.value in parameters(function)
        ):
            yield Draw(function, call, passed)
