"""Run a command on a kernel that lacks something: `python -I kernel_without.py CALL=ERROR... -- COMMAND...`.

The system calls fail with these errors for the command and whatever it starts, as they do on an older kernel (ENOSYS)
or in a container (EPERM).
"""

import ctypes
import errno
import os
import struct
import sys

NUMBERS = {
    "x86_64": {"landlock_create_ruleset": 444, "seccomp": 317, "unshare": 272},
    "aarch64": {"landlock_create_ruleset": 444, "seccomp": 277, "unshare": 97},
}[os.uname().machine]
NO_NEW_PRIVILEGES, SET_SECCOMP, FILTER = 38, 22, 2
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
FAIL, ALLOW = 0x00050000, 0x7FFF0000


def main() -> None:
    end = sys.argv.index("--")
    program = [(LOAD, 0, 0, 0)]  # the number of the call
    for name, error in (argument.split("=") for argument in sys.argv[1:end]):
        program += [(IF_EQUAL, 0, 1, NUMBERS[name]), (RETURN, 0, 0, FAIL | getattr(errno, error))]
    program.append((RETURN, 0, 0, ALLOW))
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *parts) for parts in program))
    header = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(instructions)))
    prctl = ctypes.CDLL(None).prctl
    assert prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    assert prctl(SET_SECCOMP, FILTER, ctypes.c_void_p(ctypes.addressof(header)), 0, 0) == 0
    command = sys.argv[end + 1 :]
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
