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
MOST: Final = 20_000  # tokens that are looked at
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
    handed_out = {tuple(gram) for text in starter.values() for gram in _grams(_tokens(text))}
    characters: dict[str, str] = {}
    texts = {}
    for folder, files in sorted(submissions.items()):
        own = [token for name in sorted(files) for token in _own(_tokens(files[name]), handed_out)][:MOST]
        if len(own) >= LEAST:
            texts[folder] = "".join(characters.setdefault(token, chr(_FIRST + len(characters))) for token in own)
    if not texts:
        return ()
    folders = list(texts)
    alike = cdist(
        list(texts.values()), list(texts.values()),
        scorer=Indel.normalized_similarity, score_cutoff=ALIKE, dtype=np.float32, workers=-1,
    )  # fmt: skip
    first, second = np.nonzero(np.triu(alike, 1))
    pairs = [
        Pair(folders[row], folders[column], round(float(alike[row, column]), 4))
        for row, column in zip(first, second, strict=True)
    ]
    return tuple(sorted(pairs, key=lambda pair: (-pair.alike, pair.first, pair.second)))


def _tokens(text: str) -> list[str]:
    """The text's tokens, each as what it counts as; up to where it is no Python any more."""
    return list(_read(text))


def _read(text: str) -> Iterator[str]:
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


def _grams(tokens: list[str]) -> Iterator[tuple[str, ...]]:
    for start in range(len(tokens) - HANDED_OUT + 1):
        yield tuple(tokens[start : start + HANDED_OUT])


def _own(tokens: list[str], handed_out: set[tuple[str, ...]]) -> list[str]:
    """The tokens that do not belong to a stretch of the starter."""
    theirs = bytearray(len(tokens))
    for start, gram in enumerate(_grams(tokens)):
        if gram in handed_out:
            theirs[start : start + HANDED_OUT] = b"\1" * HANDED_OUT
    return [token for token, is_theirs in zip(tokens, theirs, strict=True) if not is_theirs]
