"""Mutants of source files by mutmut's operators, each the whole text of a file with one thing changed.

mutmut itself runs a file that holds all its mutants at once, and leaves out what cannot be had that way: functions with
decorators, and what stands in no function. A mutant here is a file of its own, so that its operators are applied to all
code but decorators and annotations.
"""

import ast
import difflib
import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Run by an interpreter that has mutmut: sources come in as JSON by name, and mutants leave as lines of JSON.
MAKE_MUTANTS = '''
import json
import sys

import libcst as cst
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation.mutators import mutation_operators

SCOPES = (cst.ClassDef, cst.FunctionDef)


class Mutations(cst.CSTVisitor):
    """What every operator makes of every node, and where that stands."""

    METADATA_DEPENDENCIES = (WhitespaceInclusivePositionProvider,)

    def __init__(self, file, text, module):
        self.file, self.text, self.module, self.scopes = file, text, module, []
        self.lines = [0]
        for line in text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))

    def on_visit(self, node):
        if isinstance(node, (cst.Annotation, cst.Decorator)):
            return False
        if isinstance(node, SCOPES):
            self.scopes.append(node.name.value)
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                for mutated in operator(node):
                    self.tell(node, mutated)
        return True

    def on_leave(self, node):
        if isinstance(node, SCOPES):
            self.scopes.pop()

    def tell(self, node, mutated):
        at = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        start, end = (self.lines[place.line - 1] + place.column for place in (at.start, at.end))
        assert self.text[start:end].split() == self.module.code_for_node(node).split()  # by itself, it is not indented
        text = self.text[:start] + self.module.code_for_node(mutated) + self.text[end:]
        mutant = {"file": self.file, "place": ".".join(self.scopes), "line": at.start.line, "text": text}
        print(json.dumps(mutant))


for file, text in json.load(sys.stdin).items():
    wrapper = MetadataWrapper(cst.parse_module(text))
    wrapper.visit(Mutations(file, text, wrapper.module))
'''


class NoMutants(Exception):
    """Why there are none."""


@dataclass(frozen=True)
class Mutant:
    """A source file with one thing changed.

    Attributes:
        place: the qualified name of the function or class that the change stands in; empty for the module itself.
        line: where that is in the original.
        text: the whole file.
        diff: unified, without the two lines that name the file.
        id: a hash of all that but the line numbers: it changes when what is changed does, or what stands beside it.
    """

    file: str
    place: str
    line: int
    text: str
    diff: str
    id: str

    @property
    def changed(self) -> str:
        """The original lines that are changed."""
        return "\n".join(line[1:].strip() for line in self.diff.splitlines() if line.startswith("-"))


@dataclass(frozen=True)
class Mutants:
    """All that were made.

    Attributes:
        repeated: how many are left out since another is the same program, or the original is.
        broken: how many are left out since they are no Python.
    """

    all: tuple[Mutant, ...]
    repeated: int
    broken: int


def mutmut_version(python: Path | None) -> str:
    """Which mutmut an interpreter has. Raises ``NoMutants`` unless it is one that can be used."""
    if python is None:
        raise NoMutants("--others names an interpreter that has it; see the beginning of this file")
    wanted = "from importlib.metadata import version; import mutmut.mutation.mutators; print(version('mutmut'))"
    return _run(python, wanted).strip()


def make_mutants(python: Path, sources: Mapping[str, str]) -> Mutants:
    """All mutants of some files, in the order in which their operators come upon them, each program once."""
    seen = {_program(text) for text in sources.values()}
    kept: list[Mutant] = []
    repeated = broken = 0
    for made in _made(python, sources):
        try:
            program = _program(made["text"])
        except SyntaxError:
            broken += 1
            continue
        if program in seen:
            repeated += 1
            continue
        seen.add(program)
        kept.append(_mutant(made, sources[made["file"]]))
    return Mutants(tuple(kept), repeated, broken)


def _made(python: Path, sources: Mapping[str, str]) -> Iterator["dict[str, str]"]:
    yield from map(json.loads, _run(python, MAKE_MUTANTS, json.dumps(dict(sources))).splitlines())


def _run(python: Path, program: str, given: str = "") -> str:
    try:
        run = subprocess.run([python, "-c", program], input=given, capture_output=True, text=True)
    except OSError as error:
        raise NoMutants(f"{python}: {error.strerror}") from None
    if run.returncode:
        raise NoMutants(f"{python}: {(run.stderr.strip().splitlines() or ['no message'])[-1]}")
    return run.stdout


def _program(text: str) -> str:
    """What a text is to Python: no comment, no way of writing it."""
    return ast.dump(ast.parse(text))


def _mutant(made: Mapping[str, str], original: str) -> Mutant:
    lines = difflib.unified_diff(original.splitlines(), made["text"].splitlines(), n=3, lineterm="")
    diff = list(lines)[2:]
    unplaced = "\n".join(line for line in diff if not line.startswith("@@"))
    name = hashlib.sha256(f"{made['file']}\0{made['place']}\0{unplaced}".encode()).hexdigest()[:12]
    return Mutant(made["file"], made["place"], int(made["line"]), made["text"], "\n".join(diff), name)
