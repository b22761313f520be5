"""``grader report``: render a result again, without running anything."""

from pathlib import Path

from grader.cli import outputs
from grader.cli.results import read_result
from grader.result.audience import for_audience
from grader.result.record import Audience


def run(result: Path, output: str, format_: str, audience: str) -> int:
    """Write a result file in another format, to a file or with ``-`` to standard output; always 0."""
    outputs.check({format_: output})
    outputs.put(outputs.render(for_audience(read_result(result), Audience(audience)), format_), output)
    return 0
