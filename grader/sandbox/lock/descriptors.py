"""What a worker inherits by open descriptor, cut down to what it was given on purpose."""

import os
from collections.abc import Collection


def close_all_but(keep: Collection[int]) -> None:
    """Close every descriptor of this process that is not in `keep`."""
    # os.closerange needs an upper end, and no limit tells it: one lowered since leaves descriptors open above it.
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        if descriptor not in keep:
            # Ignores the one that was open only for the listing.
            os.closerange(descriptor, descriptor + 1)
