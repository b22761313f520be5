"""What a locked worker tries with files, and how it is refused, as root and as a user; the same works without the lock.

Where the filter would refuse, but Landlock comes first or the other way about, the error tells which of them it was.
"""

from collections.abc import Callable
from typing import Any

import pytest

Worker = Callable[..., Any]
Attack = Callable[..., dict[str, str]]

# name -> (expression, how it ends in a locked worker)
READING = {
    "a hidden file": ("open(HIDDEN / 'answer.txt').read()", "EACCES"),
    "through /proc": ("open(f'/proc/self/root{HIDDEN}/answer.txt').read()", "EACCES"),
    "through /proc of the launcher": ("open(f'/proc/{LAUNCHER}/root{HIDDEN}/answer.txt').read()", "EACCES"),
    "through a link": ("open('link.txt').read()", "EACCES"),
    "from the folder above": ("open('../hidden/answer.txt').read()", "EACCES"),
    "by a path that is opened again": (
        "open('/dev/fd/%d' % os.open(HIDDEN / 'answer.txt', os.O_PATH)).read()", "EACCES",
    ),
    "by a path relative to an open folder": (
        "os.open('answer.txt', os.O_RDONLY, dir_fd=os.open(HIDDEN, os.O_PATH))", "EACCES",
    ),
    "into memory": ("mmap.mmap(os.open(HIDDEN / 'answer.txt', os.O_RDONLY), 2, prot=mmap.PROT_READ)", "EACCES"),
    "by a working folder": ("os.chdir(HIDDEN)", "EPERM"),
    "the names in a hidden folder": ("os.listdir(HIDDEN)", "EACCES"),
    "the names in /tmp": ("os.listdir('/tmp')", "EACCES"),
    "the names in /dev/shm": ("os.listdir('/dev/shm')", "EACCES"),
    "some other file": ("open('/etc/passwd').read()", "EACCES"),
    "its own arguments": ("open('/proc/self/cmdline').read()", "EACCES"),
    "its own environment": ("open('/proc/self/environ').read()", "EACCES"),
    "its own memory map": ("open('/proc/self/maps').read()", "EACCES"),
    "its own descriptors": ("os.listdir('/proc/self/fd')", "EACCES"),
    "the list of processes": ("os.listdir('/proc')", "EACCES"),
    "the list of network connections": ("open('/proc/self/net/tcp').read()", "EACCES"),
    "the launcher's arguments": ("open(f'/proc/{LAUNCHER}/cmdline').read()", "EACCES"),
    "the launcher's environment": ("open(f'/proc/{LAUNCHER}/environ').read()", "EACCES"),
    "the launcher's memory map": ("open(f'/proc/{LAUNCHER}/maps').read()", "EACCES"),
    "the launcher's descriptors": ("os.listdir(f'/proc/{LAUNCHER}/fd')", "EACCES"),
    "where the launcher is": ("os.readlink(f'/proc/{LAUNCHER}/cwd')", "EACCES"),
}  # fmt: skip
WRITING = {
    "a file in the current folder": ("open('new.txt', 'w').close()", "EACCES"),
    "a file in the folder for temporary files": ("open(CANDIDATE.parent / 'new.txt', 'w').close()", "EACCES"),
    "a file in /dev/shm": (
        "[open(path, 'w').close() or os.unlink(path) for path in ['/dev/shm/new-of-a-worker']]", "EACCES",
    ),
    "a file without a name": ("os.open('.', os.O_TMPFILE | os.O_RDWR)", "EACCES"),
    "a file in memory": ("os.memfd_create('x')", "EPERM"),
    "over a file": ("open('model.py', 'r+').close()", "EACCES"),
    "at the end of a file": ("open('model.py', 'a').close()", "EACCES"),
    "nothing, by emptying a file on opening": ("os.open('model.py', os.O_RDONLY | os.O_TRUNC)", "EACCES"),
    "nothing, by truncating a file": ("os.truncate('model.py', 0)", "EPERM"),
    "a folder": ("os.mkdir('new')", "EPERM"),
    "a link": ("os.symlink('model.py', 'new.py')", "EPERM"),
    "a second name for a file": ("os.link('model.py', 'new.py')", "EPERM"),
    "a pipe": ("os.mkfifo('new')", "EPERM"),
    "a new name": ("os.rename('model.py', 'train.py')", "EPERM"),
    "nothing, by removing a file": ("os.unlink('model.py')", "EPERM"),
    "nothing, by removing a folder": ("os.rmdir('empty')", "EPERM"),
    "a file's mode": ("os.chmod('model.py', 0o777)", "EPERM"),
    "a file's owner": ("os.chown('model.py', os.getuid(), -1)", "EPERM"),
    "a file's times": ("os.utime('model.py')", "EPERM"),
    "a lock on a file": ("fcntl.flock(os.open('model.py', os.O_RDONLY), fcntl.LOCK_EX)", "EPERM"),
    "a lock on part of a file": ("fcntl.lockf(os.open('model.py', os.O_RDONLY), fcntl.LOCK_SH)", "EPERM"),
    "a lease on a file": ("fcntl.fcntl(os.open('model.py', os.O_RDONLY), fcntl.F_SETLEASE, 0)", "EPERM"),
    "a wish to be told of changes": ("called(LIBC.inotify_init())", "EPERM"),
}  # fmt: skip
# These need what the machine or its file systems may not have, so that they are not shown to work without the lock.
OTHER = {
    "an extended attribute": ("os.setxattr('model.py', 'user.x', b'1')", "EPERM"),
    "a device": ("os.mknod('device', 0o600 | 0o020000, os.makedev(1, 3))", "EPERM"),
    "the passwords": ("open('/etc/shadow').read()", "EACCES"),
    "its own memory, as a file": ("open('/proc/self/mem', 'rb').close()", "EACCES"),
    "its pledge to die first": ("open('/proc/self/oom_score_adj', 'w')", "EACCES"),
    "a core pattern": ("open('/proc/sys/kernel/core_pattern', 'w')", "EACCES"),
    "a file by its handle": ("called(LIBC.open_by_handle_at(-100, bytes(16), 0))", "EPERM"),
    "a root of its own": ("os.chroot(CANDIDATE)", "EPERM"),
    "mounts": ("called(LIBC.mount(b'none', b'/', None, 0x40000, None))", "EPERM"),
    "what a mount covers": ("called(LIBC.umount2(bytes(HIDDEN), 2))", "EPERM"),
    "a file's flags": ("fcntl.ioctl(os.open('model.py', os.O_RDONLY), 0x40086602, bytes(8))", "ENOTTY"),
    "a copy inside the kernel": ("os.sendfile(1, os.open('model.py', os.O_RDONLY), 0, 1)", "EPERM"),
}
ATTACKS = {f"{kind}: {name}": attack for kind, attacks in {"read": READING, "write": WRITING, "other": OTHER}.items()
           for name, attack in attacks.items()}  # fmt: skip


@pytest.mark.parametrize("namespaces", [True, False], ids=["with-namespaces", "without"])
def test_a_locked_worker_reads_and_writes_nothing(namespaces: bool, attack: Attack) -> None:
    outcomes = attack({name: expression for name, (expression, _) in ATTACKS.items()}, namespaces=namespaces)

    assert {name: refusal for name, (_, refusal) in ATTACKS.items()} == outcomes


def test_the_same_works_without_the_lock(attack: Attack) -> None:
    attacks = {name: attack for name, attack in ATTACKS.items() if not name.startswith("other")}
    outcomes = attack({name: expression for name, (expression, _) in attacks.items()}, lock=False)

    assert dict.fromkeys(attacks, "done") == outcomes
