"""Where bugs can be planted in a text, and its other words: in a locked process, since the text is not trusted.

The text is parsed and never run. What parsing it can do to a process, it does to one that holds nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
import numpy as np

from grader.sandbox.questions import FindMutants, Planting, Reword
from grader.sandbox.wire import Array, Tensors
from mutations.catalogue import OPERATORS
from mutations.contract import MODEL, TRAIN
from mutations.edit import Edit
from mutations.operator import Operator
from mutations.rewording import reworded
from mutations.source import Source


def find_mutants(question: FindMutants) -> dict[str, Array]:
    operators = [operator for operator in OPERATORS if operator.category in question.groups]
    found = [_planting(operator, file, edit) for operator, file, edit in _edits(question.files, operators)]
    return {"mutants": _bytes(msgspec.json.encode(found))}


def reword(question: Reword, tensors: Tensors) -> dict[str, Array]:
    names = [f"text.{place}" for place in range(len(question.seeds))]
    return {
        name: _bytes(_reworded(tensors[name].tobytes().decode(), seed, question.share, question.ways).encode())
        for name, seed in zip(names, question.seeds, strict=True)
    }


def _edits(files: Mapping[str, str], operators: list[Operator]) -> Iterator[tuple[Operator, str, Edit]]:
    """Each operator at each of its places. A file beside the two of the contract may hold parts of either."""
    for file, text in files.items():
        for kind in (MODEL, TRAIN):
            if file not in (MODEL, TRAIN) or file == kind:
                yield from _edits_of(file, text, kind, [operator for operator in operators if operator.file == kind])


def _edits_of(file: str, text: str, kind: str, operators: list[Operator]) -> Iterator[tuple[Operator, str, Edit]]:
    try:
        source = Source(kind, text)
    except Exception:
        return  # no Python, or nested too deeply to be taken apart
    for operator in operators:
        try:
            edits = list(operator.edits(source))
        except Exception:
            continue  # code that an operator cannot handle
        for edit in edits:
            yield operator, file, edit


def _planting(operator: Operator, file: str, edit: Edit) -> Planting:
    return Planting(
        group=operator.category,
        operator=operator.id,
        title=operator.title,
        file=file,
        start=edit.start,
        end=edit.end,
        before=edit.before,
        after=edit.after,
    )


def _reworded(text: str, seed: int, share: float, ways: Iterable[str]) -> str:
    try:
        return reworded(text, seed, share, ways)
    except Exception:
        return text  # no Python, or of a kind that cannot be written down again


def _bytes(data: bytes) -> Array:
    return np.frombuffer(data, np.uint8)
