"""Calls and what they pass."""

import libcst as cst


def argument(call: cst.Call, position: int, keyword: str) -> cst.Arg | None:
    """The argument that a call passes for a parameter, by position or by keyword."""
    for index, arg in enumerate(call.args):
        if arg.star:
            return None
        if arg.keyword is None and index == position:
            return arg
        if arg.keyword is not None and arg.keyword.value == keyword:
            return arg
    return None
