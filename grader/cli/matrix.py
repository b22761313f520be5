"""``grader mutations --matrix``: which checks see which bugs of the catalogue."""

import sys
from pathlib import Path

from grader.cli.progress import Progress
from grader.errors import UsageError
from grader.files.printable import one_line
from grader.files.write import check_writable, write_atomically
from grader.isolation_advice import naming_the_way_out
from grader.sandbox.client import Launcher
from grader.sandbox.control import Mode


def run(
    operator_id: str | None, *, source: Path | None, html: Path | None, json: bool, seed: int, first: bool,
    isolation: Mode,
) -> int:  # fmt: skip
    """Measure and print; 0 when every bug is seen, else 1."""
    if html is not None:
        check_writable(html)
    from grader.injection.origin import read_reference

    hidden, reference = read_reference(source)
    with naming_the_way_out(), Launcher(isolation, hidden=[hidden]) as launcher:
        from grader.injection import matrix_page
        from grader.injection.matrix import kill_matrix, to_json
        from mutations.catalogue import OPERATORS, operator
        from mutations.errors import UnknownOperatorError

        try:
            operators = OPERATORS if operator_id is None else (operator(operator_id),)
        except UnknownOperatorError as error:
            raise UsageError(str(error)) from None
        with Progress() as progress:
            matrix = kill_matrix(reference, operators, launcher, progress, seed=seed, first=first)
    if html is not None:
        write_atomically(html, matrix_page.html(matrix).encode())
    sys.stdout.write(to_json(matrix) if json else matrix_page.text(matrix))
    if html is not None and not json:
        sys.stdout.write(f"Written: {one_line(str(html))}\n")
    return 1 if matrix.survivors else 0
