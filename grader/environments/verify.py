"""The verifier of a task folder: grade what an agent left, and write the reward, last.

``python -m grader.environments.verify APP EXERCISE LOGS`` writes ``result.json`` and ``reward.json`` to LOGS and exits
with 0; where there is no verdict it exits with 3 and leaves no reward.json.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from grader.api import CannotJudge, GraderError, Result, UsageError, grade, load_exercise
from grader.environments.episode import NO_MODEL, rewards
from grader.files.printable import printable
from grader.files.write import write_atomically
from grader.result.record import to_json


def main(arguments: Sequence[str]) -> int:
    """Verify; the exit code."""
    app, exercise, logs = map(Path, arguments)
    reward = logs / "reward.json"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        for stale in (reward, logs / "reward.txt"):
            stale.unlink(missing_ok=True)
        result = _graded(app, exercise)
        write_atomically(logs / "result.json", to_json(result))
        if (earned := rewards(result)) is None:
            raise CannotJudge("not every item could be judged; result.json says which")
        write_atomically(reward, json.dumps(earned).encode() + b"\n")
    except (GraderError, OSError) as error:
        sys.stderr.write(f"grader: {printable(str(error))}\n")
        return CannotJudge.exit_code
    sys.stdout.write(reward.read_text("utf-8"))
    return 0


def _graded(app: Path, exercise: Path) -> Result:
    """The grade. A missing model.py is graded as an empty submission (reward 0), and so is a link out of the directory,
    for example to the solution."""
    if not os.path.lexists(app):
        raise CannotJudge(f"nothing was handed over: there is no directory {str(app)!r}")
    own = app.is_dir() and not app.is_symlink() and not app.resolve().is_relative_to(exercise.resolve())
    left = app if own and os.path.lexists(app / "model.py") else {"model.py": NO_MODEL.decode()}
    chosen = load_exercise(exercise)
    try:
        return grade(left, chosen, followups=False, explain=False)
    except UsageError as error:
        # A link, a pipe, or no text in a file's place: a person would be asked to hand it in again.
        unread = {"model.py": f"raise ImportError({printable(str(error))!r})\n"}
        return grade(unread, chosen, followups=False, explain=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
