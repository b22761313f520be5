"""Functions are emptied or removed whole, classes removed, and what is around them does not notice."""

import pytest

from mutations.edit import splice
from mutations.errors import SiteError, UnknownDefinitionError
from mutations.source import Source
from mutations.stub import empty, remove

TEXT = '''\
class A:
    """A é."""

    # about one
    @first
    @second(
        1
    )
    def one(
        self, x=")",
    ) -> int:  # why
        """What one does.

        # not a comment
        """

        # a comment inside
        for y in x:
            yield y  # é
            # trailing

        # more

    def two(self):
        # only this
        return 2

    def three(self): return 3


def four():
    """Nothing but words."""


def five():
    def one():
        pass

    return one
'''


def emptied(name):
    return splice(TEXT, [empty(Source("model.py", TEXT), name)])


def removed(name):
    return splice(TEXT, [remove(Source("model.py", TEXT), name)])


def test_an_emptied_function_keeps_decorators_signature_and_docstring():
    expected = '''\
        # not a comment
        """
        raise NotImplementedError("A.one is yours to build")

    def two(self):
'''

    assert expected in emptied("A.one")
    assert emptied("A.one").startswith(TEXT[: TEXT.index("\n        # a comment inside")])
    assert emptied("A.one").endswith(TEXT[TEXT.index("    def two") :])


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        pytest.param(
            "A.two",
            "        # only this\n        return 2\n",
            '        raise NotImplementedError("A.two is yours to build")\n',
            id="no-docstring",
        ),
        pytest.param(
            "A.three", "return 3\n", 'raise NotImplementedError("A.three is yours to build")\n', id="on-one-line"
        ),
        pytest.param(
            "four",
            '    """Nothing but words."""\n',
            '    """Nothing but words."""\n    raise NotImplementedError("four is yours to build")\n',
            id="docstring-only",
        ),
        pytest.param(
            "five.one",
            "        pass\n",
            '        raise NotImplementedError("five.one is yours to build")\n',
            id="nested",
        ),
    ],
)
def test_a_body_of_any_form_can_be_emptied(name, before, after):
    assert TEXT.replace(before, after) == emptied(name)


def test_a_removed_method_takes_its_comments_and_one_blank_line_along():
    start, end = TEXT.index("    # about one"), TEXT.index("    def two")

    assert TEXT[:start] + TEXT[end:] == removed("A.one")


def test_a_removed_last_method_leaves_the_class_with_its_two_blank_lines():
    assert TEXT.replace("\n    def three(self): return 3\n", "") == removed("A.three")


def test_a_removed_first_method_leaves_no_blank_line_behind():
    text = "class A:\n    def one(self):\n        pass\n\n    def two(self):\n        pass\n"

    assert splice(text, [remove(Source("model.py", text), "A.one")]) == "class A:\n    def two(self):\n        pass\n"


def test_the_only_statement_of_a_block_is_not_removed():
    text = "class A:\n    def one(self):\n        pass\n"

    with pytest.raises(SiteError, match="all that its block holds"):
        remove(Source("model.py", text), "A.one")


@pytest.mark.parametrize(
    ("text", "after"),
    [
        pytest.param("x = 1\n\n\n# about\n@d\nclass A:\n    y = 1\n\n\nz = 1\n", "x = 1\n\n\nz = 1\n", id="between"),
        pytest.param("x = 1\n\n\nclass A:\n    def f(self):\n        pass\n", "x = 1\n", id="last"),
    ],
)
def test_a_class_is_removed_whole(text, after):
    assert splice(text, [remove(Source("model.py", text), "A")]) == after


def test_a_class_is_not_emptied():
    with pytest.raises(UnknownDefinitionError, match=r"name='A' is not a function of model\.py"):
        emptied("A")


def test_a_removed_last_function_leaves_no_blank_lines_at_the_end():
    assert TEXT[: TEXT.index("\n\ndef five")] == removed("five")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("A.tow", "did you mean 'A.two'", id="misspelt"),
        pytest.param("zzz", r"expected one of \['A.one'", id="unknown"),
    ],
)
def test_a_name_that_is_no_function_is_refused(name, message):
    with pytest.raises(UnknownDefinitionError, match=message):
        empty(Source("model.py", TEXT), name)


def test_a_name_with_two_definitions_is_refused():
    twice = "def f():\n    return 1\n\n\ndef f():\n    return 2\n"

    with pytest.raises(UnknownDefinitionError, match="has 2 definitions"):
        remove(Source("model.py", twice), "f")
