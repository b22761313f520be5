"""How much memory, time and disk a worker may use, enforced by the kernel."""

import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

MEMORY: Final = 7 << 29
"""Bytes that a worker's code may take beside what was there before it: training a small model takes a tenth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one worker. Waiting costs no CPU time, so a deadline by the clock is needed beside them."""

    # The kernel counts addresses, used or not, and torch has taken some already: 0.6 GiB on a CPU build, 3 on one for
    # GPUs. None is no limit.
    address_space_bytes: int | None = 4 << 30
    addresses_in_use: int = 0
    cpu_seconds: int = 60
    file_bytes: int = 16 << 20
    open_files: int = 64

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types."""
        return asdict(self)

    @property
    def memory_left(self) -> int | None:
        """Bytes that the code in the worker can take; None where nothing limits them."""
        return None if self.address_space_bytes is None else self.address_space_bytes - self.addresses_in_use

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**data)


def beyond(addresses_in_use: int, **limits: int) -> Limits:
    """The limits of workers that are forked from a process with so many addresses in use: what code gets is on top."""
    return Limits(address_space_bytes=addresses_in_use + MEMORY, addresses_in_use=addresses_in_use, **limits)


def addresses_in_use() -> int:
    """How many bytes of addresses this process has mapped; 0 outside Linux, where nothing limits them."""
    if sys.platform != "linux":
        return 0
    with open("/proc/self/statm", "rb") as pages:
        return int(pages.read().split()[0]) * resource.getpagesize()


def apply(limits: Limits) -> Limits:
    """Set the limits, hard ones too, and return those in force: a limit set from outside may be tighter."""
    # The signal at the soft limit can be ignored, the one at the hard limit cannot.
    cpu_seconds = _set(resource.RLIMIT_CPU, limits.cpu_seconds, spare=1)
    file_bytes = _set(resource.RLIMIT_FSIZE, limits.file_bytes)
    open_files = _set(resource.RLIMIT_NOFILE, limits.open_files)
    _set(resource.RLIMIT_CORE, 0)
    limits = replace(limits, cpu_seconds=cpu_seconds, file_bytes=file_bytes, open_files=open_files)
    if sys.platform != "linux":
        # macOS accepts a limit on addresses and does not keep it.
        return replace(limits, address_space_bytes=None)
    _set(resource.RLIMIT_MEMLOCK, 0)
    _set(resource.RLIMIT_MSGQUEUE, 0)
    if limits.address_space_bytes is None:
        return limits
    return replace(limits, address_space_bytes=_set(resource.RLIMIT_AS, limits.address_space_bytes))


def _set(kind: int, value: int, spare: int = 0) -> int:
    _, ceiling = resource.getrlimit(kind)
    if ceiling == resource.RLIM_INFINITY:
        resource.setrlimit(kind, (value, value + spare))
        return value
    value = min(value, ceiling)
    resource.setrlimit(kind, (value, min(value + spare, ceiling)))
    return value
