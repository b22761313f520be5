"""Which functions and classes of a reference go, so that its extensions become the learner's to build.

What an extension is made of is found by what the contract fixes: `forward_incremental`, `n_head`, `n_classes`,
`labels`. Of that, a function is emptied if the contract or code that stays knows it by name; all else is removed, since
a stub would already say how the extension is built. What only the extension used goes with it, from whatever file.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.contract import CONTRACT, MODEL, TRAIN, is_needed
from mutations.edit import Edit
from mutations.errors import GapError
from mutations.extensions import EXTENSIONS, Extension
from mutations.roles.definitions import Code, Definition
from mutations.roles.guards import is_guarded
from mutations.source import Source
from mutations.stub import empty, import_without, remove


class Gap(NamedTuple):
    """A function or class that an item, or a follow-up beyond the items, asks the learner to build."""

    item: str
    edit: Edit


def find_gaps(sources: Mapping[str, Source], items: Collection[str] | None = None) -> tuple[Gap, ...]:
    """The gaps of all extensions, or of some, in the order of the text for each.

    A reference need not have more heads than one; the other extensions are a part of the contract.

    Raises:
        GapError: an extension cannot be found, or not be cut out without taking away what a plain model needs.
    """
    code = Code(sources[file] for file in sorted(sources, key=lambda file: (file == TRAIN, file != MODEL, file)))
    chosen = [each for each in EXTENSIONS if items is None or each.item in items]
    parts = {extension.item: extension.parts(code) for extension in chosen}
    owned = {each for found in parts.values() for each in found}
    kept = _reached(code, owned)
    for extension in chosen:
        _check_guards(code, extension, parts[extension.item], kept - owned)
    gone = (_reached(code, frozenset()) | owned) - kept
    _check_no_class_is_left_empty(code, gone)
    gaps: list[Gap] = []
    claimed: set[Definition] = set()
    for extension in chosen:
        mine = _with_helpers(code, parts[extension.item], gone - owned) - claimed
        claimed |= mine
        edits = [
            (remove if each in gone else empty)(each.source, each.name)
            for each in code.definitions
            if each in mine and each.owner not in gone
        ]
        gaps += [Gap(extension.item, edit) for edit in edits]
        gaps += _shorter_imports(code, extension.item, mine & gone, edits)
    _check_imports(gaps)
    return tuple(gaps)


def _reached(code: Code, owned: Collection[Definition]) -> set[Definition]:
    """What the contract and the code at the top of a file lead to, where the bodies of owned functions lead nowhere.

    What is never mentioned is there for other code, and is kept with all that it leads to.
    """
    found: set[Definition] = set()
    waiting = [each for each in code.definitions if each.name in CONTRACT.get(each.source.file, ())]
    waiting += [each for mention in code.mentions if mention.within is None for each in code.meant(mention)]
    unmentioned = {each for each in code.definitions if not code.mentions_of(each)}
    waiting += [each for each in unmentioned if each.owner is None and each not in owned]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            is_emptied = each in owned
            here = [mention for mention in code.mentions if mention.within is each]
            waiting += [led for mention in here if not (is_emptied and mention.in_body) for led in code.meant(mention)]
            methods = [method for method in code.definitions if method.owner is each and method not in owned]
            waiting += [method for method in methods if method.is_called_by_python or method in unmentioned]
    return found


def _check_guards(code: Code, extension: Extension, parts: list[Definition], kept: Collection[Definition]) -> None:
    """Whatever stays calls what is emptied only where the extension is asked for."""
    for part in parts:
        if is_needed(part):
            continue
        caller = _unguarded_caller(code, extension, part, kept, frozenset({part}))
        if caller is not None:
            raise GapError(
                f"{extension.item}: {caller} calls {part.name} whether or not {extension.what} is asked for; let a "
                "condition decide, move what a plain model needs elsewhere, or keep the extension"
            )


def _unguarded_caller(
    code: Code, extension: Extension, part: Definition, kept: Collection[Definition], seen: frozenset[Definition]
) -> str | None:
    """Who of those that stay leads to a part where no condition on the way speaks of the extension."""
    for mention in code.mentions_of(part):
        around = mention.within
        if around is None:
            return mention.source.file
        if around not in kept or is_guarded(mention.source, mention.node, extension.words):
            continue
        if is_needed(around) or not code.mentions_of(around):
            return around.name
        if around not in seen:
            caller = _unguarded_caller(code, extension, around, kept, seen | {around})
            if caller is not None:
                return around.name
    return None


def _check_no_class_is_left_empty(code: Code, gone: Collection[Definition]) -> None:
    removed = {each.node for each in gone}
    for each in code.definitions:
        if each.is_class and each not in gone and all(statement in removed for statement in each.node.body.body):
            raise GapError(f"{each.name} of {each.source.file} would be left empty; let a docstring say what it is for")


def _shorter_imports(code: Code, item: str, gone: Collection[Definition], cut: Collection[Edit]) -> Iterator[Gap]:
    """What other files import of that which goes with an item is no longer imported."""
    for source in code.sources:
        for node in source.find(m.ImportFrom(module=m.Name())):
            statement = cst.ensure_type(node, cst.ImportFrom)
            file = f"{cst.ensure_type(statement.module, cst.Name).value}.py"
            names = {each.name for each in gone if each.owner is None and each.source.file == file}
            start, _ = source.span(statement)
            is_cut = any(edit.file == source.file and edit.start <= start < edit.end for edit in cut)
            if not is_cut and (edit := import_without(source, statement, names)) is not None:
                yield Gap(item, edit)


def _check_imports(gaps: Iterable[Gap]) -> None:
    """No import is shortened for two extensions: either may be left out."""
    shortened: dict[tuple[str, int], str] = {}
    for item, edit in gaps:
        if shortened.setdefault((edit.file, edit.start), item) != item:
            raise GapError(
                f"{item}: {edit.file} imports in one statement what goes with {item} and with "
                f"{shortened[edit.file, edit.start]}; let it be a statement for each"
            )


def _with_helpers(code: Code, parts: Iterable[Definition], helpers: Collection[Definition]) -> set[Definition]:
    """Parts, and those of the helpers that they lead to."""
    found: set[Definition] = set()
    waiting = list(parts)
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            inner = {each, *(method for method in code.definitions if method.owner is each)}
            led = [other for mention in code.mentions if mention.within in inner for other in code.meant(mention)]
            waiting += [other for other in led if other in helpers]
    return found
