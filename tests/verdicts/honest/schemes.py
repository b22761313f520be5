"""Position schemes written in other ways than the reference writes them: definitions that take the place of its own."""

INTERLEAVED = """
def rotate(x, positions):
    angle = positions.double()[..., None] * wavelengths(x.size(-1), x.device)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    if positions.dim() == 2:
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
    a, b = x[..., ::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, a * sin + b * cos), dim=-1).flatten(-2)
"""

ROTATE_HALF_IN_FLOAT32 = """
def rotate_half(x):
    half = x.size(-1) // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


class RotarySelfAttention(MultiHeadSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        D = config.d_model // config.n_head
        self.register_buffer("inv_freq", 1.0 / (10000 ** (torch.arange(0, D, 2).float() / D)), persistent=False)

    def attend(self, q, k, v, mask, positions):
        return attend(self.turned(q, positions), self.turned(k, torch.arange(k.size(2))), v, mask)

    def turned(self, x, positions):
        angle = positions[..., None].float() * self.inv_freq.float()
        angle = torch.cat((angle, angle), dim=-1)
        if positions.dim() == 2:
            angle = angle[:, None]
        return x * angle.cos().to(x.dtype) + rotate_half(x) * angle.sin().to(x.dtype)
"""

COMPLEX_AND_CACHED_TURNED = """
class RotarySelfAttention(MultiHeadSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        D = config.d_model // config.n_head
        angle = torch.outer(torch.arange(config.block_size).double(), wavelengths(D, "cpu"))
        self.turns = torch.polar(torch.ones_like(angle), angle)

    def turn(self, x, positions):
        pairs = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)))
        turns = self.turns[positions]
        turned = pairs * (turns[:, None] if positions.dim() == 2 else turns)
        return torch.view_as_real(turned).flatten(-2).to(x.dtype)

    def forward(self, x, mask):
        q, k, v = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        at = torch.arange(x.size(1))
        return self.dropout(self.proj(self._merge(attend(self.turn(q, at), self.turn(k, at), v, mask))))

    def forward_incremental(self, x, chunk, past):
        q, k, v = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        q, k = self.turn(q, chunk.positions), self.turn(k, chunk.positions)
        if past is not None:
            k, v = torch.cat((past.k, k), dim=2), torch.cat((past.v, v), dim=2)
        if chunk.order is not None:
            k, v = in_order(k, chunk.order), in_order(v, chunk.order)
        return self.dropout(self.proj(self._merge(attend(q, k, v, chunk.mask)))), LayerKV(k, v)
"""

TABLES_NARROWED_WITH_THE_MODEL = """
class RotarySelfAttention(MultiHeadSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        D = config.d_model // config.n_head
        angle = torch.arange(config.block_size).float()[:, None] * 10000.0 ** (-torch.arange(0, D, 2).float() / D)
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def attend(self, q, k, v, mask, positions):
        return attend(self.turned(q, positions), self.turned(k, torch.arange(k.size(2))), v, mask)

    def turned(self, x, positions):
        cos, sin = self.cos[positions].to(x), self.sin[positions].to(x)
        if positions.dim() == 2:
            cos, sin = cos[:, None], sin[:, None]
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)
"""

ALIBI_BY_HAND = """
def get_slopes(n):
    def power_of_2(n):
        start = 2 ** (-(2 ** -(math.log2(n) - 3)))
        return [start * start**i for i in range(n)]

    if math.log2(n).is_integer():
        return power_of_2(n)
    closest = 2 ** math.floor(math.log2(n))
    return power_of_2(closest) + get_slopes(2 * closest)[0::2][: n - closest]


class AlibiSelfAttention(MultiHeadSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        self.slopes = nn.Parameter(torch.tensor(get_slopes(config.n_head)).float(), requires_grad=False)

    def attend(self, q, k, v, mask, positions):
        keys = torch.arange(k.size(2)).to(q)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1)) + self.slopes[:, None, None] * keys
        return scores.masked_fill(mask, float("-inf")).softmax(dim=-1) @ v


def build_attention(config):
    if config.position == "rotary":
        return RotarySelfAttention(config)
    if config.position == "alibi":
        return AlibiSelfAttention(config)
    return BiasedSelfAttention(config) if config.position == "relative" else MultiHeadSelfAttention(config)
"""


def relative(definition: str) -> str:
    """A relative scheme of its own, beside the others."""
    return f"""
{definition}

def build_attention(config):
    if config.position == "relative":
        return RelativeSelfAttention(config)
    if config.position == "rotary":
        return RotarySelfAttention(config)
    return BiasedSelfAttention(config) if config.position == "alibi" else MultiHeadSelfAttention(config)
"""


BUCKETS = relative("""
class RelativeSelfAttention(MultiHeadSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        self.relative_attention_bias = nn.Embedding(32, config.n_head)

    def attend(self, q, k, v, mask, positions):
        distance = (positions[..., None] - torch.arange(k.size(2))).clamp(min=0)
        far = 16 + (torch.log(distance.clamp(min=1).float() / 16) / math.log(128 / 16) * 16).long()
        bucket = torch.where(distance < 16, distance, far.clamp(max=31))
        bias = self.relative_attention_bias(bucket).movedim(-1, -3)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1)) + bias
        return scores.masked_fill(mask, float("-inf")).softmax(dim=-1) @ v
""")

VECTORS_FOR_KEYS = relative("""
class RelativeSelfAttention(MultiHeadSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        self.distance_keys = nn.Embedding(config.block_size, config.d_model // config.n_head)

    def attend(self, q, k, v, mask, positions):
        distance = (positions[..., None] - torch.arange(k.size(2))).clamp(min=0)
        vectors = self.distance_keys(distance)  # ([B,] T_new, T, D)
        if vectors.dim() == 3:
            vectors = vectors[None]
        scores = q @ k.transpose(-2, -1) + torch.einsum("bhtd,btsd->bhts", q, vectors.expand(q.size(0), -1, -1, -1))
        return (scores / math.sqrt(q.size(-1))).masked_fill(mask, float("-inf")).softmax(dim=-1) @ v
""")

A_NETWORK_OF_DISTANCES = relative("""
class RelativeSelfAttention(MultiHeadSelfAttention):
    def __init__(self, config):
        super().__init__(config)
        self.inner = nn.Linear(1, 5)
        self.outer = nn.Linear(5, config.n_head)

    def attend(self, q, k, v, mask, positions):
        distance = (positions[..., None] - torch.arange(k.size(2))).to(q)
        bias = self.outer(torch.tanh(self.inner(distance[..., None]))).movedim(-1, -3)
        return F.scaled_dot_product_attention(q, k, v, bias.masked_fill(mask, float("-inf")))
""")

ANNOTATED_TRANSFORMER = """
class SinusoidalPositions(nn.Module):
    def __init__(self, config):
        super().__init__()
        pe = torch.zeros(config.block_size, config.d_model, dtype=torch.float32)
        position = torch.arange(0, config.block_size).unsqueeze(1)
        d = config.d_model
        div_term = torch.exp(torch.arange(0, d, 2).float() * -(math.log(10000.0) / d))
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, positions):
        return self.pe[positions]
"""

FROZEN_EMBEDDING = """
class SinusoidalPositions(nn.Embedding):
    def __init__(self, config):
        super().__init__(config.block_size, config.d_model)
        self.weight.requires_grad_(False)
        self.fill()

    @torch.no_grad()
    def fill(self):
        T, C = self.weight.shape
        angle = torch.arange(T).double()[:, None] * wavelengths(C, "cpu")
        self.weight[:, 0::2], self.weight[:, 1::2] = angle.sin(), angle.cos()
"""
INITIALISED = "        for name, parameter in self.named_parameters():\n"

COMPUTED_EACH_TIME = """
class SinusoidalPositions(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.C = config.d_model

    def forward(self, positions):
        angle = positions[..., None] / 10000.0 ** (torch.arange(0, self.C, 2, dtype=torch.float64) / self.C)
        return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2).to(torch.get_default_dtype())
"""

# By name: definitions that replace the reference's, and pairs of texts.
CASES = {
    "rotary-interleaved": (INTERLEAVED, []),
    "rotary-by-rotate-half-in-float32": (ROTATE_HALF_IN_FLOAT32, []),
    "rotary-by-complex-numbers-cached-turned": (COMPLEX_AND_CACHED_TURNED, []),
    "rotary-by-tables-narrowed-with-the-model": (TABLES_NARROWED_WITH_THE_MODEL, []),
    "alibi-by-hand-from-the-key-alone": (ALIBI_BY_HAND, []),
    "relative-by-buckets": (BUCKETS, []),
    "relative-by-vectors-for-keys": (VECTORS_FOR_KEYS, []),
    "relative-by-a-network-of-distances": (A_NETWORK_OF_DISTANCES, []),
    "sinusoidal-in-float32": (ANNOTATED_TRANSFORMER, []),
    "sinusoidal-as-a-frozen-embedding": (
        FROZEN_EMBEDDING,
        [(INITIALISED, INITIALISED + "            if not parameter.requires_grad:\n                continue\n")],
    ),
    "sinusoidal-computed-each-time": (COMPUTED_EACH_TIME, []),
}
