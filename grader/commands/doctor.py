"""``grader doctor``: what this machine can isolate and reproduce."""

import platform
import sys

from grader import __version__
from grader.errors import CannotJudge
from grader.exercise import builtin_exercise
from grader.facets.catalogue import BY_ID
from grader.lattice import Lattice
from grader.oracle import Crew, Oracle, Trouble
from grader.sandbox.client import Launcher
from grader.sandbox.errors import LauncherFailed
from grader.seeds import Seeds

TIMEOUT = 60.0


def run() -> int:
    """Try it: lock a worker, ask the reference twice, print what held. 0 when strict grading works here, else 3."""
    write = sys.stdout.write
    write(f"grader {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}\n")
    exercise = builtin_exercise()
    try:
        with Launcher("strict", hidden=[exercise.reference_directory]) as launcher:
            started = launcher.started
            write(f"torch {started.torch}, {started.cpu}, {started.threads} thread\n\nIsolation\n")
            crew, seeds = Crew(launcher), Seeds(0, "doctor")
            lattice, other = (
                Lattice(exercise, seeds, lambda name, files: Oracle(crew, name, files, TIMEOUT, trusted=True))
                for _ in range(2)
            )
            locked = lattice.reference.worker.locked
            for layer in locked.applied:
                write(f"  yes  {layer}\n")
            for layer in locked.missing:
                write(f"  no   {layer}\n")
            write("\nReproducibility\n")
            steady = True
            for facet in (BY_ID[name] for name in exercise.rubric.facets):
                same = lattice.agrees_with(other, facet)
                steady = steady and same
                write(f"  {'yes' if same else 'no '}  {facet.id}: the same bits in two processes\n")
            crew.close()
    except (LauncherFailed, Trouble) as error:
        write(f"\n  no   {error}\n")
        write("\nHere only --isolation process works: for code that you trust.\n")
        return CannotJudge.exit_code
    write("\nThis machine can grade.\n" if steady else "\nThis machine cannot judge bit for bit.\n")
    return 0 if steady else CannotJudge.exit_code
