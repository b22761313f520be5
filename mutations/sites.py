"""Where bugs can be planted in files that belong together: each operator in each file, whatever its name."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import NamedTuple

from mutations.edit import Edit
from mutations.operator import Operator
from mutations.source import Source


class Site(NamedTuple):
    """One place for one bug.

    Attributes:
        number: which of the operator's sites it is, counted over all files.
    """

    operator: Operator
    edit: Edit
    number: int


def sites(sources: Mapping[str, Source], operators: Iterable[Operator]) -> Iterator[Site]:
    """The sites of these operators in all files: those in the file where such code usually is come first.

    A loss may be a method of the model, an optimizer be made in a file of helpers, and one class of attention have a
    file to itself: which code a bug attacks depends on what the code does, and not by the name of its file. Tests are
    left alone.
    """
    files = sorted(file for file in sources if not PurePath(file).name.startswith("test_"))
    for operator in operators:
        number = 0
        for file in sorted(files, key=lambda name: name != operator.file):
            for edit in operator.edits(sources[file]):
                yield Site(operator, edit, number)
                number += 1
