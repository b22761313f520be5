"""Which submissions are nearly the same text, once what all of them were handed is taken out.

Pointed out for a person to look at; nothing is ever scored by it.
"""

import itertools
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

ALIKE: Final = 0.9  # as a share of the tokens of two submissions
LEAST: Final = 150  # tokens of one's own: below that, two right solutions are alike by nature
MOST: Final = 2_000  # tokens of one's own that are looked at: what takes time is their square
HANDED_OUT: Final = 12  # tokens in a row that stand in the starter too are the starter's
Grams = NDArray[np.uint64]
_NAME, _NUMBER, _STRING = "name", "number", "string"
_LAST: Final = 0xD7FF  # of the characters that stand for tokens: the one before those that cannot be written
_FACTOR: Final = np.uint64(6364136223846793005)  # of a linear congruential generator: any odd number that mixes well
# One that is never closed ends with its line or with the file, so that no text is read twice.
_STRING_TEXT: Final = r"""
    \"{3} (?:[^\\]|\\.)*? (?: \"{3} | \\?\Z ) | '{3} (?:[^\\]|\\.)*? (?: '{3} | \\?\Z )
    | " (?:[^"\\\n]|\\.)*+ "? | ' (?:[^'\\\n]|\\.)*+ '?
"""
_TOKEN: Final = re.compile(
    rf"""
    \#[^\n]*                                        # a comment: no token
    | (
        [rbuf]{{0,2}} (?: {_STRING_TEXT} )
        | \.?\d (?: [eE][+-] | [\w.] )*              # a number
        | \w+
        | \.{{3}} | -> | (?: \*\* | // | << | >> | [-+*/%@&|^=!<>:] ) =? | [^\w\s]
    )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
# A line, or several where a string goes on: what no token reaches beyond.
_LINE: Final = re.compile(rf"(?: [^\n\#'\"]++ | \#[^\n]* | {_STRING_TEXT} )*+ \n?", re.VERBOSE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two submissions that are nearly the same, by their folders, and how alike they are: 1 is all of it."""

    first: str
    second: str
    alike: float


@dataclass(frozen=True, slots=True)
class Group:
    """Submissions that hang together by pairs: each is nearly the same as some other one of them.

    Attributes:
        members: their folders, by name.
        pairs: the most alike that hold the group together, one fewer than members, the most alike first. Of a chain of
            pairs the ends may have little in common.
    """

    members: tuple[str, ...]
    pairs: tuple[Pair, ...]


def groups(pairs: Sequence[Pair]) -> tuple[Group, ...]:
    """The groups that the pairs make, the largest first: a spanning tree of each, of its most alike pairs."""
    group_of: dict[str, list[str]] = {}  # each folder's group, one list for all of its members
    kept: list[Pair] = []
    for pair in sorted(pairs, key=lambda pair: -pair.alike):
        one, other = (group_of.setdefault(folder, [folder]) for folder in (pair.first, pair.second))
        if one is other:
            continue
        kept.append(pair)
        small, large = sorted((one, other), key=len)
        large += small
        group_of.update(dict.fromkeys(small, large))
    trees: dict[int, list[Pair]] = {}
    for pair in kept:
        trees.setdefault(id(group_of[pair.first]), []).append(pair)
    found = [Group(tuple(sorted(group_of[tree[0].first])), tuple(tree)) for tree in trees.values()]
    return tuple(sorted(found, key=lambda group: (-len(group.members), -group.pairs[0].alike, group.members)))


def similar_pairs(submissions: Mapping[str, Mapping[str, str]], starter: Mapping[str, str]) -> tuple[Pair, ...]:
    """The pairs that are at least ``ALIKE``, the most alike first.

    Names, numbers and strings count as equal, and comments and layout as nothing, so that renaming hides nothing.
    """
    alphabet = Alphabet()
    stretches = [_grams(alphabet.written(text)) for text in starter.values()]
    handed_out = np.unique(np.concatenate([np.zeros(1, np.uint64), *stretches]))  # zero is no stretch's number
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


def alike(one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """How alike two packages are by the same measure, with nothing taken out: 1 is all of it; files by name."""
    alphabet = Alphabet()
    first, second = ("".join(alphabet.written(files[name]) for name in sorted(files)) for files in (one, other))
    return float(Indel.normalized_similarity(first, second))


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


class Alphabet:
    """A character for each kind of token: the first ones, since those are compared fastest."""

    def __init__(self) -> None:
        self._of_kind: dict[str, str] = {}
        self._of_token: dict[str, str] = {}
        self._lines: dict[str, str] = {}  # most lines of a cohort are the starter's, or stand in many submissions

    def written(self, text: str) -> str:
        """The text's tokens as characters."""
        return "".join(map(self._line, _LINE.findall(text)))

    def _line(self, line: str) -> str:
        written = self._lines.get(line)
        if written is None:
            written = self._lines[line] = "".join(map(self._token, filter(None, _TOKEN.findall(line))))
        return written

    def _token(self, token: str) -> str:
        character = self._of_token.get(token)
        if character is None:
            kind = _kind(token)
            character = self._of_kind.setdefault(kind, chr(min(1 + len(self._of_kind), _LAST)))
            self._of_token[token] = character
        return character


def _kind(token: str) -> str:
    """What a token counts as."""
    if keyword.iskeyword(token):
        return token
    if token[-1] in "'\"":
        return _STRING
    if any(map(str.isdigit, token[:2])) and not token.isidentifier():
        return _NUMBER
    return _NAME if token.isidentifier() else token


def _own(tokens: str, handed_out: Grams) -> str:
    """The tokens that do not belong to a stretch of the starter."""
    grams = _grams(tokens)
    nearest = np.searchsorted(handed_out, grams).clip(max=len(handed_out) - 1)
    starts = np.flatnonzero(handed_out[nearest] == grams)
    theirs = np.zeros(len(tokens), dtype=bool)
    for offset in range(HANDED_OUT):
        theirs[starts + offset] = True
    return "".join(itertools.compress(tokens, ~theirs))


def _grams(tokens: str) -> Grams:
    """A number for each stretch of ``HANDED_OUT`` tokens, by where it starts: the same for the same tokens."""
    numbers = np.frombuffer(tokens.encode("utf-32-le"), np.uint32).astype(np.uint64)
    count = max(0, len(numbers) - HANDED_OUT + 1)
    grams = np.zeros(count, np.uint64)
    for offset in range(HANDED_OUT):
        grams = grams * _FACTOR + numbers[offset : offset + count]  # modulo 2 ** 64
    return grams
