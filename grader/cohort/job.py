"""The process that grades for a cohort: one submission after another, until it is asked no more."""

import os
import socket
import sys

from grader.cohort.job_grader import JobGrader
from grader.cohort.messages import NotGraded, Setup, Task, receive, send
from grader.sandbox.lock import die_with_parent, not_dumpable


def main() -> None:
    """Serve on the socket whose descriptor and peer's pid are in argv."""
    descriptor, parent = (int(argument) for argument in sys.argv[1:3])
    die_with_parent(parent)
    if sys.platform == "linux":
        not_dumpable()  # it holds the seed
    with socket.socket(fileno=descriptor) as peer, peer.makefile("rb") as stream:
        setup = receive(stream)
        if not isinstance(setup, Setup):
            return  # given up before it began
        with JobGrader(setup) as job_grader:
            while isinstance(task := receive(stream), Task):
                graded = job_grader.grade(task.submission)
                send(peer, graded)
                if isinstance(graded, NotGraded):
                    break  # the next submission gets a launcher that nothing has happened to
    os._exit(0)  # nothing is left to be put in order


if __name__ == "__main__":
    main()
