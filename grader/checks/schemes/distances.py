"""What attention weights say of distances.

When all tokens have one embedding and one layer of one head reads them, queries are all the same, and so are keys and
values: how much of a key is in the logits depends on where it stands, and on nothing else. ``Influence`` reads that
from outside, each row times a number, so that what can be compared is how much of one key there is for one of another.
"""

import numpy as np

from grader.checks.check import Counterexample
from grader.compare import close, finite
from grader.sandbox.wire import Array

CLAIM = "of tokens that are all the same, how much is attended to depends on how far back they stand, and on that alone"


def by_distance(influence: Array) -> Array:
    """How the score changes from one step back to d steps back: (T - 1,), for d from 1 to T - 1.

    Args:
        influence: (T, T), of tokens that are all alike.

    Raises:
        Counterexample: it is not the same at all positions.
    """
    length = len(influence)
    heard = influence[np.tril_indices(length, k=-1)]
    if not finite(influence) or not (heard > 0).all():
        raise Counterexample("unheard", "every earlier token is attended to", "some has no influence at all, or NaN")
    scores = [np.log(influence[t, t - 1 :: -1] / influence[t, t - 1]) for t in range(1, length)]
    falls: Array = scores[-1]
    for t, seen in enumerate(scores, start=1):
        if not close(seen, falls[:t], "log attention weights"):
            step = int(np.argmax(np.abs(seen - falls[:t])))
            raise Counterexample(
                "by-position",
                CLAIM,
                f"{step + 1} steps back, there is {np.exp(seen[step]):.4g} of what there is one step back at position"
                f" {t}, and {np.exp(falls[step]):.4g} at position {length - 1}",
            )
    return falls
