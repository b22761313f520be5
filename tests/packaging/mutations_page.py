"""docs/mutations.md: every operator by its category, from the catalogue; the hints stay out of it.

python tests/packaging/mutations_page.py    writes it
"""

import re
from itertools import groupby
from pathlib import Path

from mutations.catalogue import OPERATORS
from mutations.operator import Operator

PAGE = Path(__file__).resolve().parents[2] / "docs" / "mutations.md"

HEAD = """# Mutations

Generated from the catalogue by `python tests/packaging/mutations_page.py`; do not edit.

Bugs that can be planted in a GPT that keeps the [contract](contract.md), each with a public thread where it, or its
twin, happened. Who is going to hunt for bugs should not read on. `grader mutations` shows the same on the command line,
and with `--hints` what a learner who is stuck may be told. What a bug needs, a GPT may lack: a cache, a classifier, or
more heads than one.

How a bug shows itself to someone who only runs the code:

| visibility | |
| --- | --- |
| crash | a plain forward or update raises, or gives NaN, so that every other bug hides behind it |
| loss | the loss curve looks wrong: flat, too good, or exploding |
| silent | the code runs and the loss falls |
"""


def page() -> str:
    """The whole page."""
    sections = [
        f"\n## {category}\n" + "".join(map(_section, operators))
        for category, operators in groupby(OPERATORS, key=lambda operator: operator.category)
    ]
    return HEAD + "".join(sections)


def _section(operator: Operator) -> str:
    title, story = operator.story.strip().split("\n", maxsplit=1)
    story = re.sub(r"^## (.+)\n", r"**\1.** ", story, flags=re.MULTILINE)
    needs = f"; needs: {', '.join(sorted(operator.needs))}" if operator.needs else ""
    facts = f"{operator.file}{needs}; visibility: {operator.visibility}; [origin]({operator.origin})"
    return f"\n### {operator.id}\n\n{title}\n\n{facts}\n{story}\n\n```diff\n{_changes(operator)}\n```\n"


def _changes(operator: Operator) -> str:
    """The lines of the first example, without the headers of a diff, which name no real place."""
    return "\n".join(operator.diff().splitlines()[3:])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
