"""Run a command of the grader in a Python that lacks what macOS's lacks: `python as_on_macos.py grade DIR ...`.

It is told that it is on macOS, and has none of the names and functions that are Linux's alone, in the grader and in its
launcher. What macOS does otherwise shows there only.
"""

import ctypes
import os
import resource
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

ABSENT = {
    os: ("O_PATH", "O_TMPFILE", "memfd_create", "MFD_CLOEXEC", "unshare", "setns", "sched_getaffinity", "pidfd_open"),
    resource: ("RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_SIGPENDING", "prlimit"),
}
LAUNCHER = f"""
import runpy, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import as_on_macos
sys.path.pop(0)
as_on_macos.take_away()
runpy.run_module("grader.sandbox.launcher", run_name="__main__", alter_sys=True)
"""


class CLibrary(ctypes.CDLL):
    """The C library, without the calls that are Linux's alone."""

    def __getattr__(self, name: str) -> Any:
        if name in ("prctl", "syscall", "unshare", "mount"):
            raise AttributeError(name)
        return super().__getattr__(name)


def take_away() -> None:
    """Take it all away, once what stays has been imported: torch and numpy are Linux's own builds here."""
    import torch  # noqa: F401

    sysconfig.get_config_vars()  # kept from now on; they lie in a module with the platform in its name
    vars(tempfile)["_O_TMPFILE_WORKS"] = False
    for module, names in ABSENT.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    vars(ctypes)["CDLL"] = CLibrary
    vars(sys)["platform"] = "darwin"


def main() -> None:
    """Run the command in ``sys.argv``."""
    with tempfile.TemporaryDirectory() as folder:
        code, python = Path(folder, "launcher.py"), Path(folder, "python")
        code.write_text(LAUNCHER)
        # The client starts `python -I -B -m grader.sandbox.launcher DESCRIPTOR PID`.
        python.write_text(f'#!/bin/sh\nshift 4\nexec "{sys.executable}" -I -B "{code}" "$@"\n')
        python.chmod(0o755)
        take_away()
        from grader.cli.main import main as run  # now: what it is on is asked when they are imported
        from grader.sandbox import client

        vars(client)["sys"] = type("Sys", (), {"executable": str(python)})
        run(sys.argv[1:])


if __name__ == "__main__":
    main()
