"""A decoder for a course: rotary positions, gated feed-forward, shared key heads, and a cache that is an object."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import einsum, nn


@dataclass
class Settings:
    n_tokens: int = 96
    max_len: int = 128
    width: int = 64
    depth: int = 4
    heads: int = 8
    kv_heads: int = 2
    hidden: int = 176
    drop: float = 0.1
    rope_base: float = 10_000.0


class Memory:
    """What attention has read so far, layer by layer."""

    def __init__(self, depth):
        self.keys = [None] * depth
        self.values = [None] * depth

    def __len__(self):
        return 0 if self.keys[0] is None else self.keys[0].shape[2]

    def extend(self, layer, k, v):
        if self.keys[layer] is None:
            self.keys[layer] = k
            self.values[layer] = v
        else:
            self.keys[layer] = torch.cat((self.keys[layer], k), dim=2)
            self.values[layer] = torch.cat((self.values[layer], v), dim=2)
        return self.keys[layer], self.values[layer]


class RootMeanSquareNorm(nn.Module):
    def __init__(self, width, eps=1e-6):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        rms = torch.sqrt(x.square().mean(dim=-1, keepdim=True) + self.eps)
        return x / rms * self.gain


class Rotary(nn.Module):
    def __init__(self, size, max_len, base):
        super().__init__()
        speeds = base ** (-torch.arange(0, size, 2).float() / size)
        angles = torch.outer(torch.arange(max_len).float(), speeds)
        angles = torch.cat((angles, angles), dim=-1)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, x, start):
        count = x.shape[2]
        cos = self.cos[start : start + count]
        sin = self.sin[start : start + count]
        half = x.shape[-1] // 2
        left = x[..., :half]
        right = x[..., half:]
        turned = torch.cat((-right, left), dim=-1)
        return x * cos + turned * sin


class GroupedAttention(nn.Module):
    def __init__(self, s, layer):
        super().__init__()
        if s.width % s.heads != 0:
            raise ValueError("the width has to be a multiple of the number of heads")
        self.layer = layer
        self.heads, self.kv_heads, self.size = s.heads, s.kv_heads, s.width // s.heads
        self.to_q = nn.Linear(s.width, s.width, bias=False)
        self.to_k = nn.Linear(s.width, s.kv_heads * self.size, bias=False)
        self.to_v = nn.Linear(s.width, s.kv_heads * self.size, bias=False)
        self.to_out = nn.Linear(s.width, s.width, bias=False)
        self.rotary = Rotary(self.size, s.max_len, s.rope_base)

    def forward(self, x, start=0, memory=None):
        b, n, w = x.shape
        q = self.to_q(x).view(b, n, self.heads, self.size).transpose(1, 2)
        k = self.to_k(x).view(b, n, self.kv_heads, self.size).transpose(1, 2)
        v = self.to_v(x).view(b, n, self.kv_heads, self.size).transpose(1, 2)
        q, k = self.rotary(q, start), self.rotary(k, start)
        if memory is not None:
            k, v = memory.extend(self.layer, k, v)
        group = self.heads // self.kv_heads
        k = k.unsqueeze(2).expand(-1, -1, group, -1, -1).flatten(1, 2)
        v = v.unsqueeze(2).expand(-1, -1, group, -1, -1).flatten(1, 2)

        scores = einsum("b h i d, b h j d -> b h i j", q, k) * self.size**-0.5
        seen = torch.arange(k.shape[2], device=x.device)
        future = seen > (start + torch.arange(n, device=x.device)).unsqueeze(1)
        scores = scores.masked_fill(future, float("-inf"))
        weights = scores.softmax(dim=-1)
        mixed = einsum("b h i j, b h j d -> b h i d", weights, v)
        return self.to_out(mixed.transpose(1, 2).reshape(b, n, w))


class GatedFeedForward(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.both = nn.Linear(s.width, 2 * s.hidden, bias=False)
        self.down = nn.Linear(s.hidden, s.width, bias=False)
        self.drop = nn.Dropout(s.drop)

    def forward(self, x):
        gate, value = self.both(x).chunk(2, dim=-1)
        return self.drop(self.down(F.silu(gate) * value))


class Layer(nn.Module):
    def __init__(self, s, index):
        super().__init__()
        self.norm_1 = RootMeanSquareNorm(s.width)
        self.attention = GroupedAttention(s, index)
        self.norm_2 = RootMeanSquareNorm(s.width)
        self.feed_forward = GatedFeedForward(s)

    def forward(self, x, start=0, memory=None):
        seen = self.attention(self.norm_1(x), start, memory)
        x = x + seen
        thought = self.feed_forward(self.norm_2(x))
        return x + thought


class Decoder(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.s = s
        self.tokens = nn.Embedding(s.n_tokens, s.width)
        self.layers = nn.ModuleList([Layer(s, index) for index in range(s.depth)])
        self.norm = RootMeanSquareNorm(s.width)
        self.to_tokens = nn.Linear(s.width, s.n_tokens, bias=False)
        self.to_tokens.weight = shared = self.tokens.weight
        nn.init.normal_(shared, std=0.02)

    def forward(self, ids, memory=None):
        start = 0 if memory is None else len(memory)
        x = self.tokens(ids)
        for layer in self.layers:
            x = layer(x, start, memory)
        x = self.norm(x)
        return self.to_tokens(x)
