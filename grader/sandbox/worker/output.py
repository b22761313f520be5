"""What the candidate prints: kept up to a cap, then dropped, so that a flood costs nothing."""

import io
import os
import sys
from typing import Final

CAP: Final = 64 * 1024
TRUNCATED: Final = "\n[output cut here]\n"


class CappedText(io.TextIOBase):
    """A text stream over a descriptor that stops writing after ``CAP`` characters, without an error."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._left = CAP

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str, /) -> int:
        if self._left > 0:
            kept = text[: self._left]
            self._left -= len(kept)
            os.write(self._descriptor, kept.encode("utf-8", "replace"))
            if self._left <= 0:
                os.write(self._descriptor, TRUNCATED.encode())
        return len(text)


def capture(descriptor: int) -> None:
    """Send ``sys.stdout`` and ``sys.stderr`` of this process to ``descriptor``."""
    sys.stdout = sys.stderr = CappedText(descriptor)
