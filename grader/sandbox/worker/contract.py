"""Take what a candidate returned apart, and say plainly what is wrong with it."""

from typing import Any

import torch
from torch import Tensor

from grader.sandbox.wire import DTYPES, Array


class ContractError(Exception):
    """The candidate returned something that the contract does not allow."""


def as_array(value: object, what: str) -> Array:
    """The tensor's values as a numpy array with storage of its own.

    A subclass of Tensor is refused: it decides for itself what comparisons and conversions answer.
    """
    if type(value) is not Tensor and type(value) is not torch.nn.Parameter:
        raise ContractError(f"{what} is a {type(value).__name__}; expected a plain torch.Tensor")
    assert isinstance(value, Tensor)
    if value.layout is not torch.strided or value.device.type != "cpu":
        raise ContractError(f"{what} is a {value.layout} tensor on {value.device}; expected a dense CPU tensor")
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise ContractError(f"{what} has dtype {dtype}; expected float32 (or float64 in a float64 model)")
    array: Array = value.detach().resolve_conj().resolve_neg().contiguous().numpy()
    return array


def as_scalar(value: object, what: str) -> float:
    """A Python or tensor scalar as a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float, Tensor)):
        raise ContractError(f"{what} is a {type(value).__name__}; expected a number")
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ContractError(f"{what} has shape {tuple(value.shape)}; expected one number")
    return float(value.detach() if isinstance(value, Tensor) else value)


def field(record: object, key: str, what: str) -> Any:
    """``record[key]`` of a dict, or a readable complaint."""
    if not isinstance(record, dict):
        raise ContractError(f"{what} returned a {type(record).__name__}; expected a dict")
    if key not in record:
        raise ContractError(f"{what} returned a dict without {key!r}; it has {sorted(map(str, record))}")
    return record[key]
