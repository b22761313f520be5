"""The same program in other words computes the same, and is another text in every function."""

import ast
from pathlib import Path

import libcst
import pytest

from mutations.rewrite import otherwise

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("def f(x):\n    return x  # as it is\n", "def f(x):\n    unread = None\n    return x\n"),
        ('def f(x):\n    """Why."""\n    return x\n', "def f(x):\n    unread = None\n    return x\n"),
        ('def f():\n    """Nothing to do."""\n', "def f():\n    unread = None\n"),
        ("def f(x): return x\n", "def f(x):\n    unread = None\n    return x\n"),
        ('class E(Exception):\n    """What happened."""\n', "class E(Exception):\n    pass\n"),
        ("async def f():\n    # wait\n    pass\n", "async def f():\n    unread = None\n\n    pass\n"),
        ("f = lambda x: x  # the same\n", "f = lambda x: x\n"),
        ('x = "#" + """no docstring"""\n', 'x = "#" + """no docstring"""\n'),
    ],
    ids=["comment", "docstring", "nothing-else", "one-line", "class", "async", "lambda", "strings"],
)
def test_words_go_and_every_function_has_a_local_more(text: str, rewritten: str) -> None:
    assert otherwise(text, "unread") == rewritten


def test_what_has_to_come_first_comes_first() -> None:
    text = '"""What it is for."""\n\nfrom __future__ import annotations\n\nx: Nothing = 1\n'
    namespace: dict[str, object] = {}
    exec(otherwise(text, "unread"), namespace)

    assert namespace["x"] == 1


@pytest.mark.parametrize("file", ["reference/model.py", "reference/train.py", "candidate/model.py"])
def test_every_function_of_a_real_package_is_another(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    before, after = (
        {node.name: ast.dump(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)}
        for source in (text, otherwise(text, "unread"))
    )

    assert before.keys() == after.keys()
    assert [name for name in before if before[name] == after[name]] == []
    assert "#" not in otherwise(text, "unread")


def test_what_is_no_python_is_refused() -> None:
    with pytest.raises(libcst.ParserSyntaxError):
        otherwise("def f(:", "unread")
