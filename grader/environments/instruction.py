"""The agent's instruction: where it is, what counts, and then the README that a learner gets too."""

from collections.abc import Mapping

PREFACE = """\
You are in {where}, which holds {files}. Below is the README.md.

There is no command `grader` here: `python train.py` and the visible tests are what you can run. What counts are the
`.py` files in {where} when you are done; they are graded elsewhere.

"""


def instruction(starter: Mapping[str, str], where: str) -> str:
    """The instruction for an agent that finds the files of a starter ``where`` it starts."""
    *files, last = (f"`{name}`" for name in sorted(starter))
    return PREFACE.format(where=where, files=f"{', '.join(files)} and {last}") + starter["README.md"]
