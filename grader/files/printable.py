"""Text of unknown origin, made safe to show on a terminal or a page."""

import re
import unicodedata
from typing import Final

# A terminal acts on these as a whole, so they go as a whole: "\x1b[31mred" is "red", not "[31mred".
# No pattern can run past the next character that starts one, so the time taken is linear in the text.
_SEQUENCES = re.compile(
    r"""
      (?:\x1b\[|\x9b) [0-?]* [\ -/]* [@-~]                          # colours, cursor movement
    | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]) [^\x07\x1b\x80-\x9f]* (?:\x07|\x1b\\|\x9c)  # titles, links, device strings
    | \x1b [\ -/]* [0-~]                                            # everything shorter
    """,
    re.VERBOSE,
)

MOST_MARKS: Final = 8  # in a row: no writing has more, and hundreds paint over the lines above and below
# Called printable by Python, and invisible: joiners, selectors of a variant, and letters that only fill a place.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
_BLANK: Final = "\u2800"  # a pattern of Braille without a dot
# Vowels and final consonants of Korean, which are written into the square of the letter before them.
_JOINING: Final = re.compile("[\u1161-\u11ff\ud7b0-\ud7fb]")


def printable(text: str) -> str:
    """The text without anything that a terminal obeys or that reorders or hides what is read.

    Newlines and tabs stay, other white space becomes a space or a newline, and what Python does not call
    printable (control characters, direction marks, zero-width characters, lone surrogates) is dropped. So are letters
    that are invisible, marks at the start of a line, which would be set on what stands before the text, and marks that
    are stacked higher than any writing does.
    """
    if text.isascii() and text.isprintable():
        return text
    lines = _SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    shown = "".join(kept for character in lines if (kept := _kept(character)))
    return shown if shown.isascii() else _without_stacks(_UNSEEN.sub("", shown))


def one_line(text: str) -> str:
    """The same on one line, with single spaces."""
    return " ".join(printable(text).split())


def quoted(name: str) -> str:
    """A name on one line, in quotes, so that it is seen where it begins and ends."""
    return '"' + one_line(name).replace('"', "'") + '"'


def _kept(character: str) -> str:
    if character in "\n\t" or (character.isprintable() and character != _BLANK):
        return character
    return " " if character.isspace() or character == _BLANK else ""


def _without_stacks(text: str) -> str:
    kept = []
    marks = MOST_MARKS  # as if there were no room: at the start of a line there is nothing to set a mark on
    for character in text:
        if not character.isascii() and _is_mark(character):
            marks += 1
            if marks > MOST_MARKS:
                continue
        else:
            marks = MOST_MARKS if character in "\n\t" else 0
        kept.append(character)
    return "".join(kept)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M") or _JOINING.match(character) is not None
