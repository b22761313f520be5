"""``grader report``: render a result again, without running anything."""

from pathlib import Path

from grader.audience import for_audience
from grader.commands.results import read_result
from grader.files import check_writable, write_atomically
from grader.record import Audience
from grader.report import render_html


def run(result: Path, output: Path, audience: str) -> int:
    """Write the HTML report of a result file; always 0."""
    check_writable(output)
    write_atomically(output, render_html(for_audience(read_result(result), Audience(audience))).encode())
    return 0
