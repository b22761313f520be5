"""The process that imports torch once and forks a locked worker whenever one is asked for.

It holds no candidate and no reference code, runs one thread, and is started with a clean environment:
a fork of it is as good as a fresh process, for a hundredth of the time.
"""

import contextlib
import errno
import faulthandler
import fcntl
import gc
import os
import platform
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from grader.limits import CONTROL_LINE_MAX_BYTES, WORKER_CPU_SECONDS, WORKER_END_SECONDS, WORKER_OUTPUT_MAX_BYTES
from grader.sandbox import control
from grader.sandbox.lock import (
    LockFailed,
    addresses_in_use,
    beyond,
    close_all_but,
    die_with_parent,
    interpreter_paths,
    limits,
    lock,
    readable_ruleset,
)
from grader.sandbox.outside import limit_on_files, missing_files
from grader.sandbox.preloaded import import_ahead, without_library, without_originals
from grader.sandbox.torch_version import torch_version
from grader.sandbox.wire import pack

CONNECTION: Final = 3  # the descriptor a worker talks through
UNLOCKED: Final = "Not isolated: the candidate ran as an ordinary process of yours, free to read and write."
STACK: Final = signal.SIGUSR1  # has a worker write where it is


def main() -> None:
    """Serve spawn requests on the socket whose descriptor and peer's pid are in argv."""
    descriptor, parent = (int(argument) for argument in sys.argv[1:3])
    die_with_parent(parent)
    with socket.socket(fileno=descriptor) as peer, peer.makefile("rb") as lines:
        _Launcher(peer, lines.readline).run()
        os._exit(0)  # taking torch down in order would take half a second


class _Launcher:
    def __init__(self, peer: socket.socket, readline: Callable[[int], bytes]) -> None:
        self._peer = peer
        self._readline = readline
        self._ruleset: int | None = None
        self._imported: set[str] = set()  # of a library, ahead
        self._alive: set[int] = set()
        self._ended: set[int] = set()  # killed, and perhaps not yet gone

    def run(self) -> None:
        configure = self._receive()
        assert isinstance(configure, control.Configure)
        self._mode = configure.mode
        self._hidden = [Path(path) for path in configure.hidden]
        if missing := missing_files():
            self._peer.sendall(control.line(control.Failed(missing, of_the_lock=False)))
            return
        started = _import_torch()
        try:
            self._draw_limits()
        except (OSError, ValueError) as error:
            self._peer.sendall(control.line(control.Failed(str(error))))
            return
        self._peer.sendall(control.line(started))
        while (request := self._receive()) is not None:
            match request:
                case control.Spawn(purpose, imports):
                    self._spawn(purpose, imports)
                case control.Reap(pid, kill):
                    code = _reap(pid, 0.0 if kill else WORKER_END_SECONDS) if pid in self._alive else None
                    self._alive.discard(pid)
                    self._peer.sendall(control.line(control.Reaped(code)))
                case control.End(pid):
                    self._end(pid)
                case control.Dump(pid):
                    if pid in self._alive:
                        os.kill(pid, STACK)
                case control.Settle():
                    self._settle()
                    self._peer.sendall(control.line(control.Settled()))

    def _receive(self) -> control.Request | None:
        data = self._readline(CONTROL_LINE_MAX_BYTES)
        return control.request_decoder.decode(data) if data else None

    def _draw_limits(self) -> None:
        """What workers may use and read, beyond what is in use by now. Raises ``OSError``, ``ValueError``."""
        self._limits = beyond(addresses_in_use(), cpu_seconds=WORKER_CPU_SECONDS, file_bytes=WORKER_OUTPUT_MAX_BYTES)
        if self._mode == "strict":
            python = interpreter_paths(self._hidden)
            python = without_originals(python) if self._imported else without_library(python)
            self._ruleset = _above(readable_ruleset(python.allowed, hidden=self._hidden, listed=python.listed))

    def _import_ahead(self, names: tuple[str, ...]) -> str:
        """Have modules of a library imported before the fork; why that failed."""
        if self._imported.issuperset(names):
            return ""
        try:
            import_ahead(names)
            self._imported.update(names)
            self._draw_limits()
        except Exception as error:  # a library fails in ways of its own
            return f"{', '.join(names)} cannot be imported: {type(error).__name__}: {error}"
        finally:
            gc.freeze()
        return ""

    def _spawn(self, purpose: control.Purpose, imports: tuple[str, ...]) -> None:
        if failure := self._import_ahead(imports):
            self._peer.sendall(control.line(control.Failed(failure, of_the_lock=False)))
            return
        if purpose == "tests":
            # Here and not in each worker: there are a dozen of them, and importing pytest takes longer than most tests.
            from grader.sandbox.worker.own_tests import rehearse

            rehearse()
        ours, theirs = socket.socketpair()
        output = _output_file()
        launcher = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_worker(theirs.fileno(), output, launcher, purpose)
        self._alive.add(pid)
        theirs.close()
        with ours:
            socket.send_fds(self._peer, [control.line(control.Spawned(pid))], [ours.fileno(), output])
        os.close(output)

    def _end(self, pid: int) -> None:
        """Kill worker ``pid``, and bury those killed before."""
        if pid in self._alive:  # or its number may be another process's by now
            os.kill(pid, signal.SIGKILL)
            self._alive.remove(pid)
            self._ended.add(pid)
        self._ended = {dying for dying in self._ended if not _is_gone(dying)}

    def _settle(self) -> None:
        while self._ended:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._ended.pop(), 0)

    def _become_worker(self, connection: int, output: int, launcher: int, purpose: control.Purpose) -> NoReturn:
        try:
            # Imported before the fork, named here: after the lock our own sources cannot be read.
            from grader.sandbox.worker.serve import capture, serve

            if purpose == "mutants":
                from grader.sandbox.worker import mutants  # noqa: F401

            die_with_parent(launcher)
            os.setsid()
            _volunteer_for_the_oom_killer()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                _arrange_descriptors(connection, output, self._ruleset)
            except OSError as error:
                why = limit_on_files() if error.errno == errno.EMFILE else ""
                failure = f"a worker could not be started: {why or error}"
                os.write(connection, pack("locked", control.Locked(failure=failure, of_the_lock=False), {}))
                os._exit(70)
            faulthandler.register(STACK, file=CONNECTION, all_threads=False)
            locked = self._lock()
            gc.enable()
            capture(1)
            os.write(CONNECTION, pack("locked", locked, {}))
            if locked.failure is None:
                serve(CONNECTION)
        finally:
            os._exit(70)

    def _lock(self) -> control.Locked:
        if self._mode == "process":
            limited = limits.apply(self._limits).memory_left is not None
            return control.Locked(
                applied=(f"limits: {'memory, ' if limited else ''}CPU time, open files, output",),
                missing=(UNLOCKED,) if limited else (UNLOCKED, "Memory is not limited."),
            )
        try:
            report = lock(self._ruleset, self._limits, self._hidden)
        except LockFailed as error:
            return control.Locked(failure=str(error))
        return control.Locked(applied=tuple(report.applied()), missing=tuple(report.missing()))


def _import_torch() -> control.Started:
    """Import torch and make it read what it wants to know of the machine, which a locked worker cannot."""
    gc.disable()
    import torch

    from grader.sandbox.worker import serve  # noqa: F401  so that workers find it imported
    from grader.sandbox.worker.lean_torch import note_threads, run_eagerly, seed_no_absent_devices
    from grader.sandbox.worker.seeding import seed_all

    run_eagerly()
    seed_no_absent_devices()
    torch.set_num_threads(1)
    threads = torch.get_num_threads()
    note_threads()
    _warm_up()
    seed_all(0)  # imports what each worker would
    gc.freeze()  # without a collection before: what it would free is less than the tenth of a second is worth
    return control.Started(
        torch=torch_version(),
        python=platform.python_version(),
        cpu=torch.backends.cpu.get_cpu_capability(),
        threads=threads,
    )


def _warm_up() -> None:
    """One forward, backward and update, so that lazy imports and tables are there before the fork."""
    import torch
    import torch.utils.flop_counter
    from torch.nn import functional as F

    for dtype in (torch.float32, torch.float64):
        layers = (torch.nn.Embedding(4, 8), torch.nn.LayerNorm(8), torch.nn.Linear(8, 8), torch.nn.GELU())
        model = torch.nn.Sequential(*layers).to(dtype)
        optimizer = torch.optim.AdamW(model.parameters())
        hidden = model(torch.tensor([[0, 1, 2], [1, 2, 3]]))
        F.scaled_dot_product_attention(hidden, hidden, hidden, is_causal=True)
        scores = (hidden @ hidden.mT).softmax(-1).flatten(0, 1)
        torch.autograd.backward(F.cross_entropy(scores, torch.tensor([0, 1, 2, 0, 1, 2])))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def _output_file() -> int:
    """A nameless file for what a worker prints; its size is limited by the lock."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("output", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _volunteer_for_the_oom_killer() -> None:
    """Where memory runs out, the worker is to go, and neither the launcher nor the grader."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _above(descriptor: int | None) -> int | None:
    """The same descriptor with a number that ``_arrange_descriptors`` does not use."""
    return None if descriptor is None else fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, CONNECTION + 1)


def _arrange_descriptors(connection: int, output: int, ruleset: int | None) -> None:
    """0 reads nothing, 1 and 2 go to the output file, 3 is the connection, all else is closed."""
    null = os.open(os.devnull, os.O_RDONLY)
    # Out of the way first: any of these may itself be 0 to 3.
    kept = [fcntl.fcntl(old, fcntl.F_DUPFD_CLOEXEC, CONNECTION + 1) for old in (null, output, output, connection)]
    for target, source in enumerate(kept):
        os.dup2(source, target, inheritable=False)
    close_all_but({0, 1, 2, CONNECTION} | ({ruleset} if ruleset is not None else set()))


def _is_gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _reap(pid: int, grace: float) -> int | None:
    """How worker ``pid`` ended; kill it if it does not end by itself within ``grace`` seconds."""
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        try:
            done, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return None


if __name__ == "__main__":
    main()
