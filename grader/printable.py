"""Text of unknown origin, made safe to show on a terminal or a page."""

import re

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


def printable(text: str) -> str:
    """The text without anything that a terminal obeys or that reorders or hides what is read.

    Newlines and tabs stay, other white space becomes a space or a newline, and what Python does not call
    printable (control characters, direction marks, zero-width characters, lone surrogates) is dropped.
    """
    if text.isprintable():
        return text
    lines = _SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(kept for character in lines if (kept := _kept(character)))


def one_line(text: str) -> str:
    """The same on one line, with single spaces."""
    return " ".join(printable(text).split())


def _kept(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    return " " if character.isspace() else ""
