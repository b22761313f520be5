"""Position schemes that are wrong: the check that has to see it, and what of the reference is replaced."""

TURN = "torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)"
BACKWARDS = "torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)"
WAVES = "10000.0 ** -(torch.arange(0, D, 2, dtype=torch.float64, device=device) / D)"
ANGLE = "angle = positions.double()[..., None] * wavelengths(2 * half, x.device)"
ROTATED = "attend(rotate(q, positions), rotate(k, torch.arange(k.size(2), device=k.device)), v, mask)"
TABLE = "torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :C]"
BIAS = "-distances[:, None] * alibi_slopes(config.n_head)"
DISTANCE = "positions[..., None] - torch.arange(k.size(2), device=k.device)  # ([B,] T_new, T)"
LEARNED = "self.bias = nn.Parameter(torch.zeros(config.block_size, config.n_head))"
LOOKED_UP = "self.bias[distance.clamp(min=0)]"
FORBIDDEN = 'bias.to(q).masked_fill(mask, float("-inf"))'
SLOPES = "slopes = [2 ** (-8 * (h + 1) / below) for h in range(below)]"
BELOW = "below = 2 ** (n_head.bit_length() - 1)"
HEADS = "torch.tensor(slopes + between)"
UNKNOWN = 'raise ValueError(f"position={config.position!r}: expected learned, sinusoidal, '
REST = 'rotary, alibi or relative")'
NONE = "        return 0.0\n"

CASES = {
    # No model of any scheme gives a score.
    "no-scheme-gives-numbers": (
        "scheme-is-built",
        [(NONE, "        return float('nan')\n"), (TABLE, f"{TABLE} * float('nan')")],
    ),
    "sinusoids-of-another-base": ("sinusoidal-by-formula", [(WAVES, WAVES.replace("10000.0", "1000.0"))]),
    "sinusoids-in-halves": (
        "sinusoidal-by-formula",
        [(TABLE, "torch.cat((angle.sin(), angle.cos()), dim=-1)[:, :C]")],
    ),
    "sinusoids-with-sines-alone": ("sinusoidal-by-formula", [(TABLE, TABLE.replace("angle.cos()", "angle.sin()"))]),
    "sinusoids-counted-from-one": ("sinusoidal-by-formula", [("torch.arange(T).double()", "(torch.arange(T) + 1.0)")]),
    "sinusoids-scaled": ("sinusoidal-by-formula", [(TABLE, f"0.5 * {TABLE}")]),
    "no-rotation": ("rotary-by-distance", [(TURN, TURN.replace("- b * sin", "+ b * sin"))]),
    "pairs-with-two-angles": ("rotary-by-distance", [(TURN, TURN.replace("b * cos", "b * cos.flip(-1)"))]),
    "only-queries-turned": (
        "rotary-by-distance",
        [(ROTATED, "attend(rotate(q, positions), k, v, mask)")],
    ),
    "neither-turned": ("rotary-by-distance", [(ROTATED, "attend(q, k, v, mask)")]),
    "values-turned-too": (
        "rotary-by-distance",
        [(ROTATED, ROTATED.replace("v, mask", "rotate(v, torch.arange(k.size(2), device=k.device)), mask"))],
    ),
    "rotary-of-another-base": ("rotary-as-published", [(WAVES, WAVES.replace("10000.0", "1000.0"))]),
    "rotary-exponents-doubled": ("rotary-as-published", [(WAVES, WAVES.replace("/ D", "/ D * 2"))]),
    "turned-backwards": (
        "rotary-as-published",
        [(TURN, TURN.replace("- b", "+ b").replace("a * sin +", "-a * sin +"))],
    ),
    "queries-a-step-ahead": ("rotary-as-published", [(ROTATED, ROTATED.replace("q, positions", "q, positions + 1"))]),
    "angles-in-the-type-of-the-model": ("rotary-far-positions", [(ANGLE, f"{ANGLE}\n    angle = angle.to(x.dtype)")]),
    "positions-in-the-type-of-the-model": (
        "rotary-far-positions",
        [(ANGLE, ANGLE.replace("positions.double()", "positions.to(x.dtype)"))],
    ),
    "alibi-rewards-distance": ("alibi-falls-evenly", [(BIAS, BIAS[1:])]),
    "alibi-of-the-square": ("alibi-falls-evenly", [(BIAS, BIAS.replace("-distances", "-(distances**2)"))]),
    "alibi-scaled-with-the-scores": ("alibi-falls-evenly", [(FORBIDDEN, f"({FORBIDDEN} / q.size(-1) ** 0.5)")]),
    "slopes-from-one": ("alibi-slopes", [(SLOPES, SLOPES.replace("(h + 1)", "h"))]),
    "slopes-by-one-formula": ("alibi-slopes", [(BELOW, "below = n_head")]),
    "slopes-upside-down": (
        "alibi-slopes",
        [("torch.tensor(slopes + between)", "torch.tensor((slopes + between)[::-1])")],
    ),
    "the-left-over-slopes-first": (
        "alibi-slopes",
        [("torch.tensor(slopes + between)", "torch.tensor(between + slopes)")],
    ),
    "looked-up-by-the-key": ("relative-by-distance", [(DISTANCE, "torch.arange(k.size(2)).expand(q.size(2), -1)")]),
    "distances-of-the-wrong-sign": (
        "relative-by-distance",
        [(DISTANCE, "torch.arange(k.size(2)) - positions[..., None]")],
    ),
    "far-distances-alike": ("relative-by-distance", [(LOOKED_UP, LOOKED_UP.replace("min=0", "min=0, max=2"))]),
    "a-buffer-in-the-place-of-a-parameter": (
        "relative-is-learned",
        [(LEARNED, 'self.register_buffer("bias", torch.randn(config.block_size, config.n_head))')],
    ),
    "a-detached-table": ("relative-is-learned", [(LOOKED_UP, LOOKED_UP.replace(".bias[", ".bias.detach()["))]),
    "alibi-for-relative": (
        "relative-is-learned",
        [('config.position == "alibi":', 'config.position in ("alibi", "relative"):')],
    ),
    "no-mask-beside-a-bias": ("schemes-are-causal", [(FORBIDDEN, "bias.to(q)")]),
    "a-mask-that-scores-outgrow": ("schemes-are-causal", [(FORBIDDEN, FORBIDDEN.replace('float("-inf")', "-1e4"))]),
    "alibi-without-slopes": ("schemes-tell-order", [(BIAS, f"0 * {BIAS[1:]}")]),
    "chunks-start-at-zero": (
        "schemes-decode-alike",
        [(ROTATED, ROTATED.replace("positions)", "positions - positions[0])"))],
    ),
    "a-table-one-row-short": ("schemes-have-limits", [("torch.arange(T).double()", "torch.arange(T - 1).double()")]),
    "any-name-will-do": ("schemes-have-limits", [(UNKNOWN + REST, "return NoPositions()")]),
}
