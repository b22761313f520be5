"""The model's follow-ups: several heads, other position schemes, rows of different lengths.

No item needs this file. model.py imports it only when a configuration asks for one of them.
"""

import torch
from model import Chunk, GPTConfig, LayerKV, SimpleSelfAttention, attend, causal_mask, in_order
from torch import Tensor, nn
from torch.nn import functional as F

# Shapes: B batch, T time, C width (d_model), H heads, D = C // H.


def build_attention(config: GPTConfig) -> nn.Module:
    """The attention of a block that has more heads than one, or scores that depend on position."""
    if config.position == "rotary":
        if config.d_model // config.n_head % 2:
            raise ValueError(f"position='rotary' turns pairs of channels; a head has {config.d_model // config.n_head}")
        return RotarySelfAttention(config)
    if config.position in ("alibi", "relative"):
        return BiasedSelfAttention(config)
    return MultiHeadSelfAttention(config)


def build_positions(config: GPTConfig) -> nn.Module:
    """What stands in the place of the learned table: positions -> what is added to the embedding of the tokens."""
    if config.position == "sinusoidal":
        return SinusoidalPositions(config)
    if config.position in ("rotary", "alibi", "relative"):
        return NoPositions()
    raise ValueError(f"position={config.position!r}: expected learned, sinusoidal, rotary, alibi or relative")


class MultiHeadSelfAttention(SimpleSelfAttention):
    """Causal self-attention with H heads: the same four maps, and each head attends within its own D channels."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        self.n_head = config.n_head

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)"""
        q, k, v = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        positions = torch.arange(x.size(1), device=x.device)
        y = self._merge(self.attend(q, k, v, mask, positions))  # (B, T, C)
        return self.dropout(self.proj(y))

    def forward_incremental(self, x: Tensor, chunk: Chunk, past: LayerKV | None) -> tuple[Tensor, LayerKV]:
        """New positions (B, T_new, C) attend to themselves and to the past; the keys and values grow by T_new."""
        q, k, v = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        if past is not None:
            k = torch.cat((past.k, k), dim=2)  # (B, H, T_past + T_new, D)
            v = torch.cat((past.v, v), dim=2)
        if chunk.order is not None:
            k, v = in_order(k, chunk.order), in_order(v, chunk.order)  # (B, H, T, D)
        y = self._merge(self.attend(q, k, v, chunk.mask, chunk.positions))  # (B, T_new, C)
        return self.dropout(self.proj(y)), LayerKV(k, v)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Every head by itself: (B, H, T_new, D); plain heads do not depend on positions."""
        return attend(q, k, v, mask)

    def _split(self, x: Tensor) -> Tensor:
        """The channels, dealt out to the heads: (B, T, C) -> (B, H, T, D)"""
        B, T, C = x.shape
        H = self.n_head
        return x.view(B, T, H, C // H).transpose(1, 2)  # (B, H, T, D)

    def _merge(self, y: Tensor) -> Tensor:
        """The heads, side by side again: (B, H, T, D) -> (B, T, C)"""
        B, H, T, D = y.shape
        return y.transpose(1, 2).reshape(B, T, H * D)  # (B, T, C)


class RotarySelfAttention(MultiHeadSelfAttention):
    """Rotary positions (Su et al. 2021): queries and keys are turned, so that a score knows their distance alone."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """Keys are cached as they are and turned when they are looked at: (B, H, T_new, D)"""
        return attend(rotate(q, positions), rotate(k, torch.arange(k.size(2), device=k.device)), v, mask)


class BiasedSelfAttention(MultiHeadSelfAttention):
    """Attention with a bias on each score, by head and by how far back the key is."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__(config)
        distances = torch.arange(config.block_size)
        if config.position == "alibi":
            self.register_buffer("bias", -distances[:, None] * alibi_slopes(config.n_head), persistent=False)
        else:
            self.bias = nn.Parameter(torch.zeros(config.block_size, config.n_head))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, positions: Tensor) -> Tensor:
        """PyTorch's own attention, which takes a number to add to each score: (B, H, T_new, D)"""
        distance = positions[..., None] - torch.arange(k.size(2), device=k.device)  # ([B,] T_new, T)
        bias = self.bias[distance.clamp(min=0)].movedim(-1, -3)  # ([B,] H, T_new, T)
        return F.scaled_dot_product_attention(q, k, v, bias.to(q).masked_fill(mask, float("-inf")))


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Channel i and channel i + D/2 are a point in a plane, turned by its position times 10000^(-2i/D).

    Args:
        x: (B, H, T, D)
        positions: (T,), or (B, T)
    """
    half = x.size(-1) // 2
    angle = positions.double()[..., None] * wavelengths(2 * half, x.device)  # (T, D/2), (B, T, D/2)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    if positions.dim() == 2:
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)  # (B, 1, T, D/2)
    a, b = x[..., :half], x[..., half:]
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


def wavelengths(D: int, device: torch.device) -> Tensor:
    """10000^(-2i/D) for i from 0 to D/2 - 1, in float64: in a short dtype, far positions would fall together."""
    return 10000.0 ** -(torch.arange(0, D, 2, dtype=torch.float64, device=device) / D)


def alibi_slopes(n_head: int) -> Tensor:
    """A slope for each head (Press et al. 2021): (H,), from 2^(-8/H) down by that factor to 2^-8.

    For another number than a power of two: the slopes of the power below it, then every other one of the power above.
    """
    below = 2 ** (n_head.bit_length() - 1)
    slopes = [2 ** (-8 * (h + 1) / below) for h in range(below)]
    between = [2 ** (-4 * (2 * h + 1) / below) for h in range(n_head - below)]
    return torch.tensor(slopes + between)


class SinusoidalPositions(nn.Module):
    """The table of Vaswani et al. (2017): even channels are sines, odd ones cosines, each pair slower than the last."""

    table: Tensor

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        T, C = config.block_size, config.d_model
        angle = torch.arange(T).double()[:, None] * wavelengths(C + C % 2, torch.device("cpu"))  # (T, C/2)
        table = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :C]  # (T, C)
        self.register_buffer("table", table.to(torch.get_default_dtype()), persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """(T,) -> (T, C)"""
        return self.table[positions]


class NoPositions(nn.Module):
    """Nothing to add to the tokens: where they stand is for attention to know."""

    def forward(self, positions: Tensor) -> float:
        """What is added to the embedding of the tokens, wherever they stand."""
        return 0.0


def lay_out_rows(
    tokens: Tensor, T_past: int, past_lengths: Tensor | None, lengths: Tensor | None, block_size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where the tokens of each row go on, and what they may look at, when rows differ in length.

    The real keys of a row are kept together from the left, so that a key's place is its position.

    Args:
        tokens: (B, T_new)
        past_lengths: (B,), how many of the T_past tokens in the cache are real in each row; None for all.
        lengths: (B,), how many of the T_new tokens are; None for all.

    Returns:
        position (B, T_new), mask (B, 1, T_new, T) and order (B, T), as in Chunk, and how long each row gets: (B,).
    """
    B, T_new = tokens.shape
    if past_lengths is None:
        past_lengths = torch.full((B,), T_past, device=tokens.device)
    if lengths is None:
        lengths = torch.full((B,), T_new, device=tokens.device)
    if lengths.shape != (B,) or not ((lengths >= 0) & (lengths <= T_new)).all():
        raise ValueError(f"lengths={lengths.tolist()!r}: expected {B!r} numbers from 0 to T_new={T_new!r}")
    total = past_lengths + lengths  # (B,)
    T = int(total.max())
    if block_size < T:
        raise ValueError(f"sequence length={T!r} exceeds block_size={block_size!r}")

    place = torch.arange(T, device=tokens.device)
    in_chunk = T_past + place - past_lengths[:, None]  # (B, T): where a new token's key is, behind the old ones
    order = torch.where(place < past_lengths[:, None], place, in_chunk).clamp(max=T_past + T_new - 1)
    position = past_lengths[:, None] + torch.arange(T_new, device=tokens.device)  # (B, T_new)
    position = position.clamp(max=block_size - 1)  # that of padding may be anything
    mask = causal_mask(block_size, tokens.device)[position, :T]  # (B, T_new, T)
    mask = mask | (place >= total[:, None, None])
    mask[:, :, :1] = False  # a row of nothing but padding looks there, since a softmax over nothing is NaN
    return position, mask[:, None], order, total
