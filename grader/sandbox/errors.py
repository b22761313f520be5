"""What can go wrong between the grader and a worker, and whose doing it is.

SandboxError
├── LauncherFailed      our side or the machine: nothing can be judged
│   └── NotIsolated     this machine cannot give the isolation asked for
└── WorkerFailed        the code in the worker
    ├── WorkerDied      it exited, or was killed by a signal
    ├── WorkerTimedOut  it gave no answer in time
    └── WorkerGarbled   what it wrote is not an answer
"""


class SandboxError(Exception):
    """Base of everything the sandbox raises."""


class LauncherFailed(SandboxError):
    """The launcher could not start, or stopped: our side, never the candidate's."""


class NotIsolated(LauncherFailed):
    """A layer of the lock is missing on this machine."""


class WorkerFailed(SandboxError):
    """The code in the worker brought it down."""


class WorkerDied(WorkerFailed):
    """The worker's process ended before it answered.

    Attributes:
        killed: by SIGKILL, which a locked worker cannot send: the machine's doing, or a limit's. Without a lock it can
            kill itself.
    """

    def __init__(self, message: str, *, killed: bool = False) -> None:
        super().__init__(message)
        self.killed = killed


class WorkerTimedOut(WorkerFailed):
    """The worker gave no answer before its own time, or the backstop by the clock, was over.

    Attributes:
        stack: where it was, as it says itself: lines of faulthandler's, where nothing kept it from writing them.
    """

    stack = ""


class WorkerGarbled(WorkerFailed):
    """The worker wrote something that is not an answer to what it was asked."""
