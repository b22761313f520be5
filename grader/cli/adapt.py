"""``grader adapt``: write a first adapter.py for a GPT of one's own, and try it."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from grader.cli.options import add_command, add_isolation
from grader.files.printable import one_line, printable

if TYPE_CHECKING:
    from grader.cli.options import Commands
    from grader.injection.fit import Look

STANDARD_OUTPUT: Final = "-"
FALLS_SHORT: Final = 1


def add(commands: "Commands") -> None:
    """Add the command."""
    command = add_command(commands, "adapt", "write a first adapter.py for a GPT of your own, and try what works")
    command.add_argument("directory", metavar="DIR", type=Path, help="the directory with the source of the GPT")
    command.add_argument(
        "-o", "--output", metavar="FILE", help="where to write it, or - for standard output (default: DIR/adapter.py)"
    )
    command.add_argument(
        "--force", action="store_true", help="replace an adapter.py that is there (default: try that one, as it is)"
    )
    command.add_argument(
        "--from-package",
        metavar="MODULE",
        help="first copy the source of an installed module, such as transformers.models.gpt2.modeling_gpt2, to "
        "DIR/model.py; DIR is made if there is none",
    )
    add_isolation(command, "the processes that run the code")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write, try and print; 0 when all that was tried works, 1 when something does not yet."""
    from grader.cli.outputs import put
    from grader.errors import UsageError
    from grader.files.write import check_writable
    from grader.injection.first_adapter import first_adapter, read_source
    from grader.preconditions import naming_the_way_out
    from grader.sandbox.client import Launcher
    from grader.sandbox.preloaded import what_is_missing
    from grader.sandbox.questions import ADAPTER

    directory: Path = arguments.directory
    said: list[str] = []
    if arguments.from_package is not None:
        said.append(_copied(arguments.from_package, directory, force=arguments.force))
    read = read_source(directory)
    there = read.files.pop(ADAPTER, None)
    target = arguments.output or str(directory / ADAPTER)
    tries_only = there is not None and arguments.output is None and not arguments.force
    if there is not None and tries_only:
        text = there
        said.append(f"Tried: {one_line(target)}, which was there already; --force writes a new one")
    else:
        if target != STANDARD_OUTPUT:
            check_writable(Path(target))
            if not arguments.force and Path(target).exists():
                raise UsageError(f"{target!r} exists; choose another name, or replace it with --force")
        written = first_adapter(read.files)
        text = written.text
        put(text.encode(), target)
        if target != STANDARD_OUTPUT:
            said.append(f"Written: {one_line(target)}")
        said += [f"  {each}" for each in written.found]
    if read.renamed is not None:
        said.append(f"  {one_line(read.renamed)} was tried as model.py: rename it, for `grader inject`")

    if missing := what_is_missing(text):
        raise UsageError(f"{str(directory)!r} cannot be tried: {missing}")
    with naming_the_way_out(), Launcher(arguments.isolation, hidden=[directory.resolve()]) as launcher:
        from grader.injection.fit import look
        from grader.packages.worker_pool import WorkerPool

        worker_pool = WorkerPool(launcher, adapter=text)
        try:
            looks = list(look(worker_pool, {**read.files, ADAPTER: text}))
        finally:
            worker_pool.close()
    said += [*_left_to_do(text), *_what_works(looks), "", _next(looks, directory)]
    # What is said of the source is the author's text; standard output has the adapter.py alone, if it goes there.
    stream = sys.stderr if target == STANDARD_OUTPUT else sys.stdout
    stream.write(printable("\n".join(said)) + "\n")
    return FALLS_SHORT if any(each.fault for each in looks) else 0


def _copied(module: str, directory: Path, *, force: bool) -> str:
    """Write the source of an installed module as model.py of a directory; what was written."""
    from grader.errors import UsageError
    from grader.files.write import check_writable, write_atomically
    from grader.injection.library_model import copied

    text = copied(module)
    target = directory / "model.py"
    if target.exists() and not force:
        raise UsageError(f"{str(target)!r} exists; choose another directory, or replace it with --force")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {str(directory)!r}: {error.strerror}") from None
    check_writable(target)
    write_atomically(target, text.encode())
    return f"Copied: {module} to {one_line(str(target))}; what it imports stays in its library"


def _left_to_do(text: str) -> Iterator[str]:
    from grader.injection.first_adapter import todos

    if left := todos(text):
        yield "\nLeft to do in it:"
        yield from (f"  line {number}: {one_line(what)}" for number, what in left)


def _what_works(looks: Sequence["Look"]) -> Iterator[str]:
    """One line for each thing that was tried, then what no function of the adapter.py is for."""
    from grader.injection.fit import optional

    yield "\nWhat works:"
    for each in looks:
        yield f"  {'no ' if each.fault else 'yes'}  {each.what}"
        if each.fault:
            yield f"       {one_line(each.fault)}"
    tried = {each.what for each in looks}
    if len(tried) > 2:  # what all others need has been tried
        for what, names in optional().items():
            if what not in tried:
                yield f"  -    {what}: not tried, for there is no function {' or '.join(names)}"


def _next(looks: Sequence["Look"], directory: Path) -> str:
    where = one_line(str(directory))
    if any(each.fault for each in looks):
        return f"Fix the first of these in adapter.py or in the source, then run `grader adapt {where}` again."
    return f"All that was tried works. What is next: grader inject --from {where} -o exercise"
