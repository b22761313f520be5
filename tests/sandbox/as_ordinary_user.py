"""Run a command as an ordinary user, from root: `python -I as_ordinary_user.py USER PATH... -- COMMAND...`.

The user is a number that need not have a name; it gets no groups and no capabilities. The PATHs lead through folders
that may be root's alone (an interpreter below /root). No permissions are changed: the command sees, in a mount
namespace of its own, those folders replaced by ones that can be entered and hold nothing but the PATHs.
"""

import ctypes
import os
import stat
import sys
from pathlib import Path

NEW_MOUNT_NAMESPACE = 0x00020000
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    end = sys.argv.index("--")
    user, paths, command = int(sys.argv[1]), [Path(path).resolve() for path in sys.argv[2:end]], sys.argv[end + 1 :]
    here = Path.cwd()
    make_reachable(paths)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)  # takes every capability with it
    os.chdir(here)  # by the new mounts, if it is among the paths
    os.execv(command[0], command)


def make_reachable(paths: list[Path]) -> None:
    """Afterwards everybody may walk down to all paths, as far as this process and its children see."""
    blocked = [path for path in paths if barrier(path) is not None]
    if not blocked:
        return
    called(libc.unshare(NEW_MOUNT_NAMESPACE))
    mount("none", Path("/"), None, RECURSIVE | PRIVATE)
    held = {path: os.open(path, os.O_PATH) for path in blocked}
    for path, descriptor in held.items():
        if (closed := barrier(path)) is not None:
            mount("tmpfs", closed, "tmpfs", 0, "mode=755")
        path.mkdir(parents=True, exist_ok=True)
        mount(f"/proc/self/fd/{descriptor}", path, None, BIND | RECURSIVE)
        os.close(descriptor)


def barrier(path: Path) -> Path | None:
    """The topmost folder above `path` that is not everybody's to enter."""
    return next((above for above in reversed(path.parents) if not above.stat().st_mode & stat.S_IXOTH), None)


def mount(source: str, target: Path, kind: str | None, flags: int, options: str | None = None) -> None:
    texts = [text and text.encode() for text in (source, str(target), kind)]
    called(libc.mount(*texts, ctypes.c_ulong(flags), options and options.encode()))


def called(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    main()
