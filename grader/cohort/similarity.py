"""Which submissions are nearly the same text, once what all of them were handed is taken out.

Pointed out for a person to look at; nothing is ever scored by it.
"""

import io
import keyword
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

ALIKE: Final = 0.9  # as a share of the tokens of two submissions
LEAST: Final = 150  # tokens of one's own: below that, two right solutions are alike by nature
MOST: Final = 2_000  # tokens of one's own that are looked at: what takes time is their square
HANDED_OUT: Final = 12  # tokens in a row that stand in the starter too are the starter's
_NAME, _NUMBER, _STRING = "name", "number", "string"
_FIRST: Final = 0xF0000  # of the characters that stand for tokens: those for private use


@dataclass(frozen=True, slots=True)
class Pair:
    """Two submissions that are nearly the same, by their folders, and how alike they are: 1 is all of it."""

    first: str
    second: str
    alike: float


def similar_pairs(submissions: Mapping[str, Mapping[str, str]], starter: Mapping[str, str]) -> tuple[Pair, ...]:
    """The pairs that are at least ``ALIKE``, the most alike first.

    Names, numbers and strings count as equal, and comments and layout as nothing, so that renaming hides nothing.
    """
    alphabet = _Alphabet()
    handed_out = {gram for text in starter.values() for gram in _grams(alphabet.written(text))}
    read: dict[str, str] = {}  # most files of a cohort that are handed in twice are handed in often
    texts = {}
    for folder, files in sorted(submissions.items()):
        for text in files.values():
            if text not in read:
                read[text] = _own(alphabet.written(text), handed_out)
        own = "".join(read[files[name]] for name in sorted(files))[:MOST]
        if len(own) >= LEAST:
            texts[folder] = own
    if not texts:
        return ()
    return tuple(sorted(_pairs(texts), key=lambda pair: (-pair.alike, pair.first, pair.second)))


def _pairs(texts: Mapping[str, str]) -> Iterator[Pair]:
    folders, written = list(texts), list(texts.values())
    kinds = sorted(set().union(*written))
    counts = np.array([[text.count(kind) for kind in kinds] for text in written])
    lengths = counts.sum(axis=1)
    for first in range(len(folders)):
        # Texts that differ in how many tokens there are of each kind differ in no fewer places.
        differing = np.abs(counts[first + 1 :] - counts[first]).sum(axis=1)
        others = first + 1 + np.flatnonzero(differing <= (1 - ALIKE) * (lengths[first + 1 :] + lengths[first]) + 1)
        alike = cdist(
            [written[other] for other in others], [written[first]],
            scorer=Indel.normalized_similarity, score_cutoff=ALIKE, dtype=np.float32, workers=-1,
        )[:, 0]  # fmt: skip
        for other, share in zip(others, alike, strict=True):
            if share:
                yield Pair(folders[first], folders[other], round(float(share), 4))


class _Alphabet:
    """A character for each kind of token."""

    def __init__(self) -> None:
        self._characters: dict[str, str] = {}

    def written(self, text: str) -> str:
        """The text's tokens as characters; up to where it is no Python any more."""
        characters = self._characters
        return "".join(characters.setdefault(token, chr(_FIRST + len(characters))) for token in _tokens(text))


def _tokens(text: str) -> Iterator[str]:
    """The text's tokens, each as what it counts as."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match token.type:
                case tokenize.NAME:
                    yield token.string if keyword.iskeyword(token.string) else _NAME
                case tokenize.OP:
                    yield token.string
                case tokenize.NUMBER:
                    yield _NUMBER
                case tokenize.STRING:
                    yield _STRING
    except (tokenize.TokenError, SyntaxError):
        return


def _grams(tokens: str) -> Iterator[str]:
    for start in range(len(tokens) - HANDED_OUT + 1):
        yield tokens[start : start + HANDED_OUT]


def _own(tokens: str, handed_out: set[str]) -> str:
    """The tokens that do not belong to a stretch of the starter."""
    theirs = bytearray(len(tokens))
    for start, gram in enumerate(_grams(tokens)):
        if gram in handed_out:
            theirs[start : start + HANDED_OUT] = b"\1" * HANDED_OUT
    return "".join(token for token, is_theirs in zip(tokens, theirs, strict=True) if not is_theirs)
