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

    Otherwise it keeps a formatted stack for each call, to show should the device ever be initialised: a hundred times
    the work of seeding, and a model is seeded a few hundred times a grade.
    """
    if not torch.cuda._is_compiled():
        torch.cuda.manual_seed_all = _seed_nothing
    if not torch.xpu._is_compiled():
        torch.xpu.manual_seed_all = _seed_nothing


def _seed_nothing(seed: int) -> None:
    int(seed)
