"""A compact GPT: a decoder-only transformer with pre-norm blocks, and learned positions unless asked for others."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Shapes: B batch, T time, C width (d_model), V vocabulary, H heads, D = C // H.


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a model; everything else follows from them."""

    vocab_size: int = 64
    block_size: int = 32
    n_layer: int = 2
    n_head: int = 1
    d_model: int = 32
    dropout: float = 0.0
    n_classes: int = 0  # 0: no classifier head
    position: str = "learned"  # or "sinusoidal", "rotary", "alibi", "relative"


class LayerKV(NamedTuple):
    """The keys and values of one layer, for every token it has read: each (B, H, T, D)."""

    k: Tensor
    v: Tensor


class KVCache(NamedTuple):
    """The keys and values of every layer, first layer first."""

    layers: tuple[LayerKV, ...]
    lengths: Tensor | None = None  # (B,) when the rows differ in length: of row b, the first lengths[b] are real


class Chunk(NamedTuple):
    """Where the tokens that are new to a cache stand, and what they may look at."""

    positions: Tensor  # (T_new,); (B, T_new) when the rows differ in length
    mask: Tensor  # True where attention is forbidden: (T_new, T); (B, 1, T_new, T) when the rows differ in length
    order: Tensor | None = None  # (B, T): which of the T_past + T_new keys comes first, second, ... in each row


def causal_mask(T: int, device: torch.device) -> Tensor:
    """True where attention is forbidden: (T, T), a row for each position that looks, a column for each looked at."""
    return torch.ones(T, T, dtype=torch.bool, device=device).triu(diagonal=1)  # (T, T)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Scaled dot-product attention: for each query, a mean of the values, weighted by how well their keys match.

    Args:
        q, k, v: (..., T, D)
        mask: bool, True where a query may not look at a key; broadcast against the scores.
    """
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (..., T, T)
    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)
    return weights @ v  # (..., T, D)


def in_order(x: Tensor, order: Tensor) -> Tensor:
    """Keys or values (B, H, T_past + T_new, D), in each row those that an order (B, T) names: (B, H, T, D)"""
    B, H, _, D = x.shape
    return x.gather(2, order[:, None, :, None].expand(B, H, -1, D))


class SimpleSelfAttention(nn.Module):
    """Causal self-attention with one head, so D = C."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        C = config.d_model
        self.query = nn.Linear(C, C)
        self.key = nn.Linear(C, C)
        self.value = nn.Linear(C, C)
        self.proj = nn.Linear(C, C)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)"""
        y = attend(self.query(x), self.key(x), self.value(x), mask)  # (B, T, C)
        return self.dropout(self.proj(y))

    def forward_incremental(self, x: Tensor, chunk: Chunk, past: LayerKV | None) -> tuple[Tensor, LayerKV]:
        """New positions (B, T_new, C) attend to themselves and to the past; the keys and values grow by T_new."""
        q = self.query(x).unsqueeze(1)  # (B, 1, T_new, C)
        k = self.key(x).unsqueeze(1)
        v = self.value(x).unsqueeze(1)
        if past is not None:
            k = torch.cat((past.k, k), dim=2)  # (B, 1, T_past + T_new, C)
            v = torch.cat((past.v, v), dim=2)
        if chunk.order is not None:
            k, v = in_order(k, chunk.order), in_order(v, chunk.order)  # (B, 1, T, C)
        y = attend(q, k, v, chunk.mask).squeeze(1)  # (B, T_new, C)
        return self.dropout(self.proj(y)), LayerKV(k, v)


def other_attention(config: GPTConfig) -> nn.Module:
    """The attention of a block that has more heads than one, or scores that depend on position: a follow-up."""
    from followups import build_attention  # not at the top: that file builds on this one

    return build_attention(config)


def other_positions(config: GPTConfig) -> nn.Module:
    """What stands in the place of the learned table, positions -> what is added to the tokens: a follow-up."""
    from followups import build_positions

    return build_positions(config)


class MLP(nn.Module):
    """Two linear maps with a GELU between them, applied to each position by itself."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        C = config.d_model
        self.fc = nn.Linear(C, 4 * C)
        self.proj = nn.Linear(4 * C, C)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)"""
        x = F.gelu(self.fc(x))  # (B, T, 4C)
        return self.dropout(self.proj(x))  # (B, T, C)


class Block(nn.Module):
    """Attention, then an MLP; each reads a normalised copy of the residual stream and adds to the stream itself."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.d_model)
        is_plain = config.n_head == 1 and config.position == "learned"
        self.attn = SimpleSelfAttention(config) if is_plain else other_attention(config)
        self.ln_2 = nn.LayerNorm(config.d_model)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)"""
        x = x + self.attn(self.ln_1(x), mask)
        return x + self.mlp(self.ln_2(x))

    def forward_incremental(self, x: Tensor, chunk: Chunk, past: LayerKV | None) -> tuple[Tensor, LayerKV]:
        """The same sums for new positions alone: (B, T_new, C) -> (B, T_new, C), and this layer's keys and values."""
        y, present = self.attn.forward_incremental(self.ln_1(x), chunk, past)
        x = x + y
        return x + self.mlp(self.ln_2(x)), present


class GPT(nn.Module):
    """Token and position embeddings, a stack of blocks, and a linear map to a score for each token there is."""

    def __init__(self, config: GPTConfig) -> None:
        super().__init__()
        if config.d_model % config.n_head != 0:
            raise ValueError(f"d_model={config.d_model!r} is not a multiple of n_head={config.n_head!r}")
        self.config = config
        C, V = config.d_model, config.vocab_size
        self.token_embedding = nn.Embedding(V, C)
        is_learned = config.position == "learned"
        self.position_embedding = nn.Embedding(config.block_size, C) if is_learned else other_positions(config)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(C)
        self.lm_head = nn.Linear(C, V, bias=False)
        self._init_weights()
        self.class_head = self._build_classifier() if config.n_classes > 0 else None

    def _init_weights(self) -> None:
        """GPT-2's initialisation: small weights, and smaller ones where a layer adds to the residual stream."""
        std = 0.02
        residual_std = std / math.sqrt(2 * self.config.n_layer)  # two additions per block
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif name.endswith("proj.weight"):
                nn.init.normal_(parameter, std=residual_std)
            elif parameter.dim() >= 2:  # the weights of a LayerNorm stay ones
                nn.init.normal_(parameter, std=std)

    def _build_classifier(self) -> nn.Linear:
        """The head that gives each position a score for each class; building it changes nothing else in the model."""
        with torch.random.fork_rng(devices=[]):  # what is drawn here must not shift what the caller draws next
            head = nn.Linear(self.config.d_model, self.config.n_classes)
            nn.init.normal_(head.weight, std=0.02)
            nn.init.zeros_(head.bias)
        return head

    def _check_length(self, length: int) -> None:
        """There are positions for block_size tokens and no more."""
        if length > self.config.block_size:
            raise ValueError(f"sequence length={length!r} exceeds block_size={self.config.block_size!r}")

    def embed(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Tokens (B, T) at positions (T,) -> (B, T, C), what the first block reads."""
        x = self.token_embedding(tokens)  # (B, T, C)
        x = x + self.position_embedding(positions)  # (T, C), the same for every row
        return self.dropout(x)

    def forward(self, tokens: Tensor, *, classify: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Tokens int64 (B, T) -> logits (B, T, V); with classify=True also class logits (B, T, n_classes)."""
        T = tokens.size(1)
        self._check_length(T)
        mask = causal_mask(T, tokens.device)  # (T, T)
        x = self.embed(tokens, torch.arange(T, device=tokens.device))  # (B, T, C)
        for block in self.blocks:
            x = block(x, mask)
        x = self.ln_f(x)
        logits = self.lm_head(x)  # (B, T, V)
        if classify:
            return logits, self._classify(x)
        return logits

    def _classify(self, x: Tensor) -> Tensor:
        """(B, T, C) -> class logits (B, T, n_classes)"""
        if self.class_head is None:
            raise ValueError(f"classify=True needs a classifier head, but n_classes={self.config.n_classes!r}")
        return self.class_head(x)  # (B, T, n_classes)

    def forward_incremental(
        self, tokens: Tensor, cache: KVCache | None = None, *, lengths: Tensor | None = None
    ) -> tuple[Tensor, KVCache]:
        """Tokens (B, T_new), the part not seen yet -> (logits (B, T_new, V), new cache); cache=None starts one.

        The cache passed in is left as it was: two continuations of one cache do not disturb each other.

        Args:
            lengths: int64 (B,), how many tokens of this chunk are real in each row; what is to the right of them is
                padding, and its logits mean nothing.
        """
        B, T_new = tokens.shape
        T_past = 0
        past: tuple[LayerKV | None, ...] = (None,) * self.config.n_layer
        if cache is not None:
            past = cache.layers
            B_past, _, T_past, _ = cache.layers[0].k.shape
            if B_past != B:
                raise ValueError(f"the cache holds batch_size={B_past!r}, but tokens have batch_size={B!r}")
        if lengths is not None or (cache is not None and cache.lengths is not None):
            return self._forward_ragged(tokens, past, T_past, cache.lengths if cache is not None else None, lengths)
        T = T_past + T_new
        self._check_length(T)

        mask = causal_mask(T, tokens.device)[T_past:]  # (T_new, T): the rows of the new positions
        positions = torch.arange(T_past, T, device=tokens.device)  # (T_new,)
        x, layers = self._read(self.embed(tokens, positions), Chunk(positions, mask), past)
        logits = self.lm_head(self.ln_f(x))  # (B, T_new, V)
        return logits, KVCache(tuple(layers))

    def _read(self, x: Tensor, chunk: Chunk, past: tuple[LayerKV | None, ...]) -> tuple[Tensor, list[LayerKV]]:
        """A chunk through all blocks, (B, T_new, C) -> (B, T_new, C), and the keys and values of every layer."""
        layers = []
        for block, layer_past in zip(self.blocks, past, strict=True):
            x, present = block.forward_incremental(x, chunk, layer_past)
            layers.append(present)
        return x, layers

    def _forward_ragged(
        self,
        tokens: Tensor,
        past: tuple[LayerKV | None, ...],
        T_past: int,
        past_lengths: Tensor | None,
        lengths: Tensor | None,
    ) -> tuple[Tensor, KVCache]:
        """The same for rows of different lengths, a follow-up: every row goes on where its own past ends."""
        from followups import lay_out_rows

        position, mask, order, total = lay_out_rows(tokens, T_past, past_lengths, lengths, self.config.block_size)
        x, layers = self._read(self.embed(tokens, position), Chunk(position, mask, order), past)
        return self.lm_head(self.ln_f(x)), KVCache(tuple(layers), total)

    @torch.no_grad()
    def generate(self, prompt: Tensor, max_new_tokens: int, *, use_cache: bool = True) -> Tensor:
        """Continue a prompt greedily: (B, T) -> (B, T + max_new_tokens)."""
        self._check_length(prompt.size(1) + max_new_tokens)
        if use_cache:
            return self._generate_incrementally(prompt, max_new_tokens)
        tokens = prompt
        for _ in range(max_new_tokens):
            next_token = self(tokens)[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, next_token), dim=1)  # (B, T + 1)
        return tokens

    def _generate_incrementally(self, prompt: Tensor, max_new_tokens: int) -> Tensor:
        """The same continuation by forward_incremental: (B, T) -> (B, T + max_new_tokens)."""
        tokens, unread, cache = prompt, prompt, None
        for _ in range(max_new_tokens):
            logits, cache = self.forward_incremental(unread, cache)
            unread = logits[:, -1].argmax(dim=-1, keepdim=True)  # (B, 1)
            tokens = torch.cat((tokens, unread), dim=1)  # (B, T + 1)
        return tokens
