"""Ways to leave word for a process that should know nothing of this one, and to end as if the machine had done it."""

from collections.abc import Callable
from typing import Any

import pytest

from grader.sandbox.lock.syscalls import MACHINE, NUMBERS

Worker = Callable[..., Any]
Attack = Callable[..., dict[str, str]]

FUTEX, MBIND = NUMBERS[MACHINE]["futex"], NUMBERS[MACHINE]["mbind"]
SYSINFO = {"x86_64": 99, "aarch64": 179}[MACHINE]
# PAGE is of a file that every worker may read, mapped as another worker would map it; MINE is memory of its own.
PREPARED = f"""
import ctypes, os
SIZE = os.sysconf("SC_PAGESIZE")
LIBC.mmap.restype = ctypes.c_void_p
PAGE = LIBC.mmap(None, ctypes.c_long(SIZE), 1, 1, os.open(os.__file__, os.O_RDONLY), ctypes.c_long(0))
MINE = LIBC.mmap(None, ctypes.c_long(SIZE), 3, 0x22, -1, ctypes.c_long(0))
TOUCHED = ctypes.string_at(PAGE, 1), ctypes.memset(MINE, 0, SIZE)

def kernel(number, *arguments):
    return called(LIBC.syscall(number, *(ctypes.c_long(argument) for argument in arguments)))

def futex(address, operation, value):
    return kernel({FUTEX}, address, operation, value, 0, address, -1)

def advise(address, advice):
    return called(LIBC.madvise(ctypes.c_void_p(address), ctypes.c_long(SIZE), advice))

def limit_cpu():
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.prlimit(0, resource.RLIMIT_CPU, (hard, hard))

"""

# name -> (expression, how it ends in a locked worker)
LEAVING_WORD = {
    "wake those that wait on a page of a file": ("futex(PAGE, 1, 1)", "EPERM"),
    "wake some of them": ("futex(PAGE, 10, 1)", "EPERM"),
    "have them wait elsewhere": ("futex(PAGE, 3, 0)", "EPERM"),
    "throw a page of a file out of memory": ("advise(PAGE, 21)", "EPERM"),
    "call a page of a file cold": ("advise(PAGE, 20)", "EPERM"),
    "read a file ahead": ("advise(PAGE, 3)", "EPERM"),
    "populate pages of a file": ("advise(PAGE, 22)", "EPERM"),
    "say where a page of a file lies": (f"kernel({MBIND}, PAGE, SIZE, 0, 0, 0, 2)", "ENOSYS"),
    "read how much memory others have taken": (f"kernel({SYSINFO}, MINE)", "EPERM"),
}
# The kernel looks the owner of such a lock up among all processes, and lends it the waiter's priority.
REFUSED_BY_THE_KERNEL_TOO = {
    "wait for a process": ("futex(MINE, 128 | 6, 0) or futex(MINE, 128 | 6, 0)", "EPERM"),
    "share equal pages": ("advise(MINE, 12)", "EPERM"),
    "make a file's pages huge": ("advise(PAGE, 25)", "EPERM"),
}
ENDING = {
    "kill itself": ("os.kill(os.getpid(), signal.SIGKILL)", "EPERM"),
    "kill its thread": ("called(LIBC.tgkill(os.getpid(), os.getpid(), signal.SIGKILL))", "EPERM"),
    "have the kernel kill it": ("limit_cpu()", "EPERM"),
    "stop itself": ("os.kill(os.getpid(), signal.SIGSTOP)", "EPERM"),
    "stop its thread": ("called(LIBC.tgkill(os.getpid(), os.getpid(), signal.SIGSTOP))", "EPERM"),
    "stop as from a terminal": ("os.kill(os.getpid(), signal.SIGTSTP)", "EPERM"),
    "stop as if it read from a terminal": ("signal.raise_signal(signal.SIGTTIN)", "EPERM"),
    "stop as if it wrote to a terminal": ("signal.raise_signal(signal.SIGTTOU)", "EPERM"),
}


def expressions(attacks: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {name: expression for name, (expression, _) in attacks.items()}


def test_a_locked_worker_leaves_no_word_and_ends_by_nothing_that_the_machine_sends(attack: Attack) -> None:
    attacks = LEAVING_WORD | REFUSED_BY_THE_KERNEL_TOO | ENDING
    outcomes = attack(expressions(attacks), before=PREPARED)

    assert {name: refusal for name, (_, refusal) in attacks.items()} == outcomes


def test_word_can_be_left_without_the_lock(attack: Attack) -> None:
    outcomes = attack(expressions(LEAVING_WORD), before=PREPARED, lock=False)

    assert dict.fromkeys(LEAVING_WORD, "done") == outcomes


def test_a_process_ends_by_the_kernel_without_the_lock(worker: Worker) -> None:
    assert worker("os.kill(os.getpid(), signal.SIGKILL)", lock=False).exit == -9


# What is left to a process that is alone

HONEST = {
    "wait for a lock": "threading.Lock().acquire() and threading.RLock().acquire(timeout=0.01)",
    "wait for a lock in vain": "[lock.acquire(timeout=0.01) for lock in [threading.Lock()] * 2]",
    "wait for a condition": "(condition := threading.Condition()).acquire() and condition.wait(0.01)",
    "wait for a queue": "__import__('queue').SimpleQueue().get(timeout=0.01)",
    "count down a semaphore": "[gate.acquire(timeout=0.01) for gate in [threading.Semaphore(1)] * 2]",
    "wake those that wait": "threading.Event().set()",
    "wait for a time by the clock": f"LIBC.syscall({FUTEX}, ctypes.c_void_p(MINE), 128 | 256 | 9, 1, 0, 0, 1)",
    "wake threads of its own": "futex(MINE, 129, 1)",
    "give memory back": "advise(MINE, 4) or advise(MINE, 8)",
    "say what becomes of memory": "[advise(MINE, advice) for advice in (10, 15, 16, 17)]",
    "take a large array": "__import__('numpy').zeros(1 << 22).sum()",
    "handle a signal": "signal.signal(signal.SIGUSR1, lambda *_: None) and 0 or signal.raise_signal(signal.SIGUSR1)",
    "set itself an alarm": "signal.setitimer(signal.ITIMER_REAL, 100) and signal.alarm(0)",
    "read a limit": "resource.getrlimit(resource.RLIMIT_CPU)",
    "lower a limit": "resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 22))",
}


def test_what_a_single_process_needs_goes_on_working(attack: Attack) -> None:
    outcomes = attack(HONEST, before=PREPARED)

    assert dict.fromkeys(HONEST, "done") | {"wait for a queue": "Empty"} == outcomes


@pytest.mark.parametrize(("signal", "expected"), [("SIGTERM", -15), ("SIGABRT", -6), ("SIGINT", 1), ("SIGSEGV", -11)])
def test_a_worker_may_end_itself_by_what_is_its_own_doing(worker: Worker, signal: str, expected: int) -> None:
    assert worker(f"os.kill(os.getpid(), signal.{signal})").exit == expected
