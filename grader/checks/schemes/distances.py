"""What attention weights say of distances.

When all tokens have one embedding and one layer of one head reads them, queries are all the same, and so are keys and
values: how much of a key is in the logits depends on where it stands, and on nothing else. ``Influence`` reads that
from outside, each row times a number, so that what can be compared is how much of one key there is for one of another:
their share.
"""

import numpy as np

from grader.checks.check import CheckFailed
from grader.checks.compare import close, finite
from grader.sandbox.wire import Array

CLAIM = "of tokens that are all the same, how much is attended to depends on how far back they stand, and on that alone"


def by_distance(influence: Array) -> Array:
    """How much of the key d steps back there is for one of the key one step back: (T - 1,), for d from 1 to T - 1.

    Args:
        influence: (T, T), of tokens that are all alike.

    Raises:
        CheckFailed: it is not the same at all positions.
    """
    length = len(influence)
    heard = influence[np.tril_indices(length, k=-1)]
    if not finite(influence) or not (heard > 0).all():
        raise CheckFailed("unheard", "every earlier token is attended to", "some has no influence at all, or NaN")
    shares = [influence[t, t - 1 :: -1] / influence[t, t - 1] for t in range(1, length)]
    last: Array = shares[-1]
    for t, seen in enumerate(shares, start=1):
        if not close(seen, last[:t], "shares of attention"):
            step = int(np.argmax(np.abs(seen - last[:t])))
            raise CheckFailed(
                "by-position",
                CLAIM,
                f"{step + 1} steps back, there is {seen[step]:.4g} of what there is one step back at position {t}, and"
                f" {last[step]:.4g} at position {length - 1}",
            )
    return last
