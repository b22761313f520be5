"""``grader mutations --matrix``: which checks see which bugs of the catalogue."""

import argparse
import sys
from pathlib import Path

from grader.cli.options import default_isolation
from grader.errors import UsageError
from grader.files.printable import one_line


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; 0 when every bug is seen, else 1."""
    from grader.cli.progress import Progress
    from grader.files.write import check_writable, write_atomically
    from grader.injection.origin import read_reference
    from grader.isolation_advice import naming_the_way_out
    from grader.sandbox.client import Launcher

    html: Path | None = arguments.html
    if html is not None:
        check_writable(html)
    hidden, reference = read_reference(arguments.source)
    isolation = arguments.isolation or default_isolation()
    with naming_the_way_out(), Launcher(isolation, hidden=[hidden]) as launcher:
        from grader.injection import matrix_page
        from grader.injection.matrix import kill_matrix, to_json
        from mutations.catalogue import OPERATORS, operator
        from mutations.errors import UnknownOperatorError

        try:
            operators = OPERATORS if arguments.operator is None else (operator(arguments.operator),)
        except UnknownOperatorError as error:
            raise UsageError(str(error)) from None
        with Progress() as progress:
            matrix = kill_matrix(
                reference, operators, launcher, progress, seed=arguments.seed or 0, first=arguments.first
            )
    if html is not None:
        write_atomically(html, matrix_page.html(matrix).encode())
    sys.stdout.write(to_json(matrix) if arguments.json else matrix_page.text(matrix))
    if html is not None and not arguments.json:
        sys.stdout.write(f"Written: {one_line(str(html))}\n")
    return 1 if matrix.survivors else 0
