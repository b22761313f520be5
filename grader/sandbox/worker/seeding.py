"""Seeds for the generators that a model may draw from."""

import random

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Seed every generator a model may draw from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def seed_no_absent_devices() -> None:
    """Have ``torch.manual_seed`` pass over devices that this torch was not built for.

    Otherwise it formats the stack at each call, to be shown should the device ever be initialised: a hundred times the
    work of seeding, and a model is seeded a few hundred times a grade.
    """
    for name in ("cuda", "xpu", "mtia"):
        device = getattr(torch, name)
        if hasattr(device, "manual_seed_all") and not device._is_compiled():
            device.manual_seed_all = _seed_nothing


def _seed_nothing(seed: int) -> None:
    int(seed)
