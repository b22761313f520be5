"""Wrong ways to read rows of different lengths: the check that must fail, and what of the reference is replaced."""

PAST = """    if past_lengths is None:
        past_lengths = torch.full((B,), T_past, device=tokens.device)
"""
TOTAL = "    total = past_lengths + lengths  # (B,)\n"
LIMIT = "    if block_size < T:\n"
LAYOUT = """    place = torch.arange(T, device=tokens.device)
    in_chunk = T_past + place - past_lengths[:, None]  # (B, T): where a new token's key is, behind the old ones
    order = torch.where(place < past_lengths[:, None], place, in_chunk).clamp(max=T_past + T_new - 1)
"""
# Nothing is thrown away: what is real is put first, what is padding behind it, and the cache grows by both.
GROWN = """    is_old, is_new = torch.arange(T_past) < past_lengths[:, None], torch.arange(T_new) < lengths[:, None]
    order = torch.cat((is_old, is_new), dim=1).int().argsort(dim=1, descending=True, stable=True)
    T = T_past + T_new
    place = torch.arange(T)
"""
LAID = "    return position, mask[:, None], order, total\n"
MASK = "    mask = causal_mask(block_size, tokens.device)[position, :T]  # (B, T_new, T)\n"
LAID_OUT = "        position, mask, order, total = lay_out_rows("
READ = "        x, layers = self._read(self.embed(tokens, position), Chunk(position, mask, order), past)\n"
LAST = "        return self.lm_head(self.ln_f(x)), KVCache(tuple(layers), total)\n"
ATTEND = "        y = attend(q, k, v, chunk.mask).squeeze(1)  # (B, T_new, C)\n"


def model(*pairs: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Replacements in model.py."""
    return {"model.py": list(pairs)}


def layout(*pairs: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Replacements in followups.py."""
    return {"followups.py": list(pairs)}


CASES = {
    "lengths-ignored": ("ragged-rows-equal-alone", layout((TOTAL, "    lengths = lengths * 0 + T_new\n" + TOTAL))),
    "mask-of-the-first-row": ("ragged-rows-equal-alone", layout((MASK, MASK.replace("[position,", "[position[:1],")))),
    "positions-of-the-longest": (
        "ragged-rows-equal-alone",
        model((READ, READ.replace("(tokens, position)", "(tokens, position.amax(0))"))),
    ),
    "zero-taken-for-none": (
        "ragged-rows-may-pause",
        layout((TOTAL, "    lengths = torch.where(lengths == 0, T_new, lengths)\n" + TOTAL)),
    ),
    "plain-once-ragged": (
        "ragged-lengths-left-out",
        layout(
            (
                PAST,
                PAST + "    if lengths is None:\n        past_lengths = past_lengths * 0 + T_past\n",
            )
        ),
    ),
    "behind-the-longest": (
        "ragged-generation",
        layout((PAST, PAST + "    past_lengths = past_lengths * 0 + T_past\n")),
    ),
    "weakly-masked": (
        "ragged-padding-is-ignored",
        layout((LAYOUT, GROWN), (MASK, "    mask = torch.arange(T) > position[:, :, None]  # (B, T_new, T)\n"))
        | model(
            (
                ATTEND,
                "        low = -torch.inf if chunk.order is None else -1e9\n"
                "        bias = torch.where(chunk.mask, low, 0.0).to(q)\n"
                "        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).squeeze(1)\n",
            ),
        ),
    ),
    "padding-blended-in": (
        "ragged-padding-is-ignored",
        model(
            (
                READ,
                "        x = self.embed(tokens, position)\n        x = x + 1e-3 * x.mean(dim=1, keepdim=True)\n"
                + READ.replace("self.embed(tokens, position)", "x"),
            )
        ),
    ),
    "lengths-in-a-column": (
        "ragged-cache-tells-lengths",
        layout((PAST, PAST + "    past_lengths = past_lengths.view(-1)\n"))
        | model((LAST, LAST.replace("total", "total[:, None]"))),
    ),
    "lengths-on-the-model": (
        "ragged-cache-travels",
        model(
            (LAID_OUT, "        past_lengths = getattr(self, 'ends', None) if T_past else None\n" + LAID_OUT),
            (LAST, "        self.ends = total\n" + LAST),
        ),
    ),
    "longest-row-fills-the-cache": (
        "ragged-rows-can-be-picked",
        layout((PAST, PAST + "    past_lengths = past_lengths + T_past - past_lengths.max()\n")),
    ),
    "lengths-added-in-place": (
        "ragged-cache-unchanged",
        layout((LAID, LAID.replace("total", "past_lengths.add_(lengths)"))),
    ),
    "shortest-row-checked": ("ragged-limits", layout((LIMIT, LIMIT.replace("T:", "int(total.min()):")))),
    "padding-counted": ("ragged-limits", layout((LIMIT, LIMIT.replace("T:", "T_past + T_new:")))),
}
