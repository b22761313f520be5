"""Correct ways to deal with rows that may look at nothing, and with short floats, otherwise."""

ATTEND = """    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))  # (..., T, T)
    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)
    return weights @ v  # (..., T, D)
"""
WEIGHTS = """    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)
"""
OPEN = "    mask[:, :, :1] = False  # a row of nothing but padding looks there, since a softmax over nothing is NaN\n"
PADDING = "    mask = mask | (place >= total[:, None, None])\n"
READ = """        x, layers = self._read(self.embed(tokens, position), Chunk(position, mask, order), past)
        return self.lm_head(self.ln_f(x)), KVCache(tuple(layers), total)
"""
ROW_BY_ROW = """        (B, T_new), T = tokens.shape, int(total.max())
        past_lengths = torch.full((B,), T_past) if past_lengths is None else past_lengths
        lengths = total - past_lengths
        rows, kept = [], []
        for row in range(B):
            own, n = int(past_lengths[row]), int(lengths[row])
            layers = tuple(LayerKV(*(x[row : row + 1, :, :own] for x in layer)) for layer in past if layer is not None)
            cache = KVCache(layers) if layers else None
            logits = self.lm_head.weight.new_zeros(1, 0, self.lm_head.out_features)
            if n > 0:
                logits, cache = self.forward_incremental(tokens[row : row + 1, :n], cache)
            rows.append(F.pad(logits, (0, 0, 0, T_new - n)))
            kept.append(cache)
        shape = (1, 1, 0, self.config.d_model)
        layers = []
        for i in range(self.config.n_layer):
            pairs = []
            for part in range(2):
                found = [self.lm_head.weight.new_zeros(shape) if c is None else c.layers[i][part] for c in kept]
                pairs.append(torch.cat([F.pad(x, (0, 0, 0, T - x.size(2))) for x in found]))
            layers.append(LayerKV(*pairs))
        return torch.cat(rows), KVCache(tuple(layers), total)
"""


def attend(body: str, *others: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    """``attend`` with another body, and a mask of padding that may forbid everything."""
    return {"model.py": [(ATTEND, body), *others], "followups.py": [(OPEN, "")]}


SAME_BITS: dict[str, object] = {}

OTHER_BITS = {
    "nan-taken-for-zero": {
        "model.py": [(WEIGHTS, WEIGHTS.replace("=-1)", "=-1).nan_to_num(0.0)"))],
        "followups.py": [(OPEN, "")],
    },
    "nothing-hidden-where-all-is": attend(
        ATTEND.replace("masked_fill(mask", "masked_fill(mask & ~mask.all(dim=-1, keepdim=True)")
    ),
    "hidden-by-the-lowest-number": attend(ATTEND.replace('float("-inf")', "torch.finfo(scores.dtype).min")),
    "hidden-by-the-lowest-number-and-then-by-zero": attend(
        ATTEND.replace('float("-inf")', "torch.finfo(scores.dtype).min").replace("=-1)", "=-1).masked_fill(mask, 0.0)")
    ),
    "attention-of-pytorch": attend("    return F.scaled_dot_product_attention(q, k, v, attn_mask=~mask)\n"),
    "padding-sees-padding": {"followups.py": [(PADDING, ""), (OPEN, "")]},
    "row-by-row": {"model.py": [(READ, ROW_BY_ROW)]},
    "softmax-in-float32": attend(
        ATTEND.replace("masked_fill(", "float().masked_fill(").replace("=-1)", "=-1).nan_to_num().type_as(v)")
    ),
    "empty-rows-set-to-zero-by-where": attend(
        """    scores = q @ k.transpose(-2, -1) / math.sqrt(q.size(-1))
    nothing = mask.all(dim=-1, keepdim=True)  # (..., T, 1)
    weights = scores.masked_fill(mask & ~nothing, float("-inf")).softmax(dim=-1)
    return torch.where(nothing, 0.0, weights @ v)
"""
    ),
}
