"""What docs/mutations.md lists on the site: every operator by its category; the hints stay out of it."""

import re
from itertools import groupby

from mutations.by_products import BY_PRODUCTS
from mutations.catalogue import OPERATORS
from mutations.operator import Operator


def sections() -> str:
    """The story of each operator, and the lines that its first example changes."""
    by_category = "".join(
        f"\n## {category}\n" + "".join(map(_section, operators))
        for category, operators in groupby(OPERATORS, key=lambda operator: operator.category)
    )
    return f"{by_category}\n## With a refactoring\n{''.join(map(_section, BY_PRODUCTS))}"


def _section(operator: Operator) -> str:
    title, story = operator.story.strip().split("\n", maxsplit=1)
    story = re.sub(r"^## (.+)\n", r"**\1.** ", story, flags=re.MULTILINE)
    needs = f"; needs: {', '.join(sorted(operator.needs))}" if operator.needs else ""
    facts = f"{operator.file}{needs}; visibility: {operator.visibility}; [origin]({operator.origin})"
    return f"\n### {operator.id}\n\n{title}\n\n{facts}\n{story}\n\n```diff\n{_changes(operator)}\n```\n"


def _changes(operator: Operator) -> str:
    """The lines of the first example, without the headers of a diff, which name no real place."""
    return "\n".join(operator.diff().splitlines()[3:])
