"""The mutants of a reference: each operator at each of its sites."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from grader.sandbox.questions import ADAPTER
from mutations.edit import Edit, Rewritten, splice
from mutations.operator import Operator
from mutations.sites import sites
from mutations.source import together

Sources = Mapping[str, str]
"""File name to source text."""


class Mutant(NamedTuple):
    """One bug at one site."""

    operator: Operator
    edit: Edit
    site: int  # the number of the site among the operator's

    def __str__(self) -> str:
        return f"{self.operator.id} (site {self.site + 1})" if self.site else self.operator.id

    def files(self, reference: Sources) -> dict[str, str]:
        """The reference with this bug alone."""
        return planted(reference, [self.edit])

    def honest_files(self, reference: Sources) -> dict[str, str] | None:
        """The reference with the refactoring alone that the bug comes with; None where it comes without one."""
        return planted(reference, [self.edit.without_the_bug]) if isinstance(self.edit, Rewritten) else None


def mutants(reference: Sources, operators: Iterable[Operator], kept: Collection[Edit] = ()) -> Iterator[Mutant]:
    """Every site of these operators that no edit of ``kept`` touches."""
    sources = together({file: text for file, text in reference.items() if file != ADAPTER})
    for site in sites(sources, operators):
        if not any(overlap(site.edit, other) for other in kept):
            yield Mutant(site.operator, site.edit, site.number)


def planted(reference: Sources, edits: Collection[Edit]) -> dict[str, str]:
    """The reference with all of these edits made."""
    return {file: splice(text, [edit for edit in edits if edit.file == file]) for file, text in reference.items()}


def overlap(one: Edit, other: Edit) -> bool:
    """Whether two edits touch the same bytes, or insert at the same place."""
    return (
        one.file == other.file
        and one.start <= other.end
        and other.start <= one.end
        and ((one.start < other.end and other.start < one.end) or one.start == other.start)
    )
