"""What the lock has put in force, as data that can be sent and shown."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from .limits import MEMORY, Limits
from .namespaces import APPLIED


def gibibytes(size: int) -> str:
    """A size as it is shown: ``3.5 GiB``."""
    return f"{size / (1 << 30):.1f} GiB"


class Layer(StrEnum):
    """The layers of a lock, by the names that its report begins their phrases with."""

    FILES = "files"
    CALLS = "system calls"
    NAMESPACES = "namespaces"
    CAPABILITIES = "capabilities"
    LIMITS = "limits"


class LockFailed(Exception):
    """A layer that was demanded could not be put in force; nothing untrusted may run in this process."""

    def __init__(self, layer: str, reason: str, remedy: str) -> None:
        super().__init__(f"cannot lock the worker, {layer}: {reason}. {remedy}")
        self.layer = layer
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReport:
    """The layers in force in one worker."""

    landlock_abi: int
    landlock_tcp: bool
    landlock_scoped: bool
    seccomp: bool
    namespaces: str
    capabilities_dropped: bool
    limits: Limits

    @property
    def strict(self) -> bool:
        """Whether files and system calls are both closed, without which untrusted code must not run."""
        return self.landlock_abi > 0 and self.seccomp

    def applied(self) -> list[str]:
        """What is in force, one plain phrase each."""
        phrases = []
        if self.landlock_abi:
            phrases.append(
                f"{Layer.FILES}: Python and its libraries can be read, nothing written (Landlock {self.landlock_abi})"
            )
        if self.seccomp:
            phrases.append(f"{Layer.CALLS}: an allow-list without processes, threads, sockets and signals (seccomp)")
        if self.namespaces == APPLIED:
            phrases.append(f"{Layer.NAMESPACES}: no network, no sight of hidden folders and other processes")
        if self.capabilities_dropped:
            phrases.append(f"{Layer.CAPABILITIES}: all dropped")
        if (left := self.limits.memory_left) is not None:
            phrases.append(
                f"{Layer.LIMITS}: {gibibytes(left)} of memory for a submission, CPU time, open files, output"
            )
        return phrases

    def missing(self) -> list[str]:
        """What is not in force, one plain sentence each, the gravest first."""
        sentences = []
        if self.landlock_abi == 0:
            sentences.append("Files are not protected: Landlock is missing (Linux 5.13 and newer have it).")
        if not self.seccomp:
            sentences.append("System calls are not filtered: processes, sockets and signals are open.")
        if not self.capabilities_dropped:
            sentences.append("Capabilities are kept.")
        if (left := self.limits.memory_left) is None:
            sentences.append("Memory is not limited.")
        elif self.limits.addresses_in_use and left < MEMORY:
            sentences.append(
                f"A submission has less memory than it is to have: {gibibytes(left)} instead of {gibibytes(MEMORY)} "
                "are left by a limit from outside (ulimit -v)."
            )
        if self.namespaces != APPLIED:
            sentences.append(
                f"Names and sizes of hidden files, and other processes, can be seen: no namespaces ({self.namespaces})."
            )
        if self.landlock_abi and not self.landlock_tcp:
            sentences.append("TCP is denied by the filter alone (Landlock does it from Linux 6.7 on).")
        if self.landlock_abi and not self.landlock_scoped:
            sentences.append("Signals are denied by the filter alone (Landlock does it from Linux 6.12 on).")
        return sentences

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**{**data, "limits": Limits.from_dict(data["limits"])})
