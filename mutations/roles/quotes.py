"""Which quotes a file uses."""

import libcst as cst
from libcst import matchers as m

from mutations.source import Source


def quoted(source: Source, text: str) -> str:
    """A text in the quotes that most strings of the file have, in double ones where there is nothing to go by."""
    strings = [source.code(cst.ensure_type(node, cst.SimpleString)) for node in source.find(m.SimpleString())]
    plain = [string[0] for string in strings if string[0] in "'\"" and not string.startswith(string[0] * 3)]
    quote = "'" if plain.count("'") > plain.count('"') else '"'
    return f"{quote}{text}{quote}"
