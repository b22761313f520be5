"""The kill matrix as text for a terminal and as one self-contained HTML file."""

from collections.abc import Iterator
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined

from grader.checks.catalogue import BY_ID
from grader.injection.matrix import Matrix


def text(matrix: Matrix) -> str:
    """A line for each bug with the checks that see it, and what is left over on either side."""
    return "\n".join(_lines(matrix)) + "\n"


def _lines(matrix: Matrix) -> Iterator[str]:
    width = max((len(row.name) for row in matrix.rows), default=0)
    for category, rows in groupby(matrix.rows, key=lambda row: row.category):
        yield category
        for row in rows:
            yield f"  {row.name:{width}}  {', '.join(row.killed_by) or 'seen by no check'}"
        yield ""
    killed = len(matrix.rows) - len(matrix.survivors)
    rate = len(matrix.rows) / matrix.seconds if matrix.seconds else 0.0
    yield f"{killed} of {len(matrix.rows)} bugs are seen; {matrix.seconds:.1f} s, {rate:.1f} bugs a second"
    for row in matrix.survivors:
        why = f"seen by {', '.join(row.shows_in)} alone" if row.shows_in else "equivalent here, or never run"
        yield f"  not seen: {row.name} ({why})"
    for check in matrix.idle_checks:
        yield f"  sees no bug: {check}"


def html(matrix: Matrix) -> str:
    """The matrix as a table: bugs by category, checks by family."""
    environment = Environment(
        loader=PackageLoader("grader.injection", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    checks = sorted(matrix.checks, key=lambda check: BY_ID[check].family)
    return environment.get_template("matrix.html.jinja").render(
        matrix=matrix,
        checks=checks,
        rows=[(category, list(rows)) for category, rows in groupby(matrix.rows, key=lambda row: row.category)],
        kills=matrix.kills,
    )
