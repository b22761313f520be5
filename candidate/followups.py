"""The model's follow-ups: several heads, other position schemes, rows of different lengths.

No item needs this file. model.py imports it only when a configuration asks for one of them.
"""

import torch
from model import GPTConfig, LayerKV, SimpleSelfAttention, attend, causal_mask
from torch import Tensor, nn
from torch.nn import functional as F

# Shapes: B batch, T time, C width (d_model), H heads, D = C // H.


def build_attention(config: GPTConfig) -> nn.Module:
    """The attention of a block that has more heads than one, or scores that depend on position."""
    raise NotImplementedError("build_attention is yours to build")


def build_positions(config: GPTConfig) -> nn.Module:
    """What stands in the place of the learned table: positions -> what is added to the embedding of the tokens."""
    raise NotImplementedError("build_positions is yours to build")
