"""Right ways to read rows of different lengths that are not the reference's."""

RAGGED = "        if lengths is not None or (cache is not None and cache.lengths is not None):\n"
READ = "        x, layers = self._read(self.embed(tokens, position), Chunk(position, mask, order), past)\n"
LAYOUT = """    place = torch.arange(T, device=tokens.device)
    in_chunk = T_past + place - past_lengths[:, None]  # (B, T): where a new token's key is, behind the old ones
    order = torch.where(place < past_lengths[:, None], place, in_chunk).clamp(max=T_past + T_new - 1)
"""
MASK = "    mask = causal_mask(block_size, tokens.device)[position, :T]  # (B, T_new, T)\n"
END = "        return self.lm_head(self.ln_f(x)), KVCache(tuple(layers), total)\n"
JOIN = """            k = torch.cat((past.k, k), dim=2)  # (B, 1, T_past + T_new, C)
            v = torch.cat((past.v, v), dim=2)
        if chunk.order is not None:
            k, v = in_order(k, chunk.order), in_order(v, chunk.order)  # (B, 1, T, C)
"""
ATTEND = "        y = attend(q, k, v, chunk.mask).squeeze(1)  # (B, T_new, C)\n"
WEIGHTS = '    weights = scores.masked_fill(mask, float("-inf")).softmax(dim=-1)\n'


def model(*pairs: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Replacements in model.py."""
    return {"model.py": list(pairs)}


def layout(*pairs: tuple[str, str]) -> dict[str, list[tuple[str, str]]]:
    """Replacements in followups.py."""
    return {"followups.py": list(pairs)}


REWRITES = {
    # No batch at all: each row goes the plain way, and what comes of it is padded.
    "one-row-after-the-other": model(
        (
            READ,
            """        (B, T_new), T = tokens.shape, int(total.max())
        past_lengths = torch.full((B,), T_past) if past_lengths is None else past_lengths
        lengths = total - past_lengths
        logits = torch.zeros(B, T_new, self.config.vocab_size).to(self.lm_head.weight)
        room = torch.zeros(self.config.n_layer, 2, B, 1, T, self.config.d_model).to(logits)
        for b, (seen, new) in enumerate(zip(past_lengths.tolist(), lengths.tolist(), strict=True)):
            kept = None
            if seen:
                kept = KVCache(tuple(LayerKV(*(t[b : b + 1, :, :seen] for t in layer)) for layer in past))
            if new:
                logits[b : b + 1, :new], kept = self.forward_incremental(tokens[b : b + 1, :new], kept)
            for l, layer in enumerate(kept.layers if kept is not None else ()):
                room[l, 0, b, :, : seen + new], room[l, 1, b, :, : seen + new] = layer.k[0], layer.v[0]
        return logits, KVCache(tuple(LayerKV(*layer) for layer in room), total)
""",
        ),
        (END, ""),
    ),
    # What is real is put first, padding behind it, and the cache grows by both.
    "nothing-thrown-away": layout(
        (
            LAYOUT,
            """    is_old = torch.arange(T_past) < past_lengths[:, None]
    is_new = torch.arange(T_new) < lengths[:, None]
    order = torch.cat((is_old, is_new), dim=1).int().argsort(dim=1, descending=True, stable=True)
    T = T_past + T_new
    place = torch.arange(T)
""",
        ),
        (MASK, "    mask = torch.arange(T) > position[:, :, None]  # (B, T_new, T)\n"),
    )
    | model((ATTEND, "        y = F.scaled_dot_product_attention(q, k, v, attn_mask=~chunk.mask).squeeze(1)\n")),
    # Room for the whole block from the start, written to by index, and one slot more that padding goes to.
    "room-for-the-block": layout(
        (
            LAYOUT,
            """    slot = past_lengths[:, None] + torch.arange(T_new)
    order = torch.where(torch.arange(T_new) < lengths[:, None], slot, block_size)  # (B, T_new)
    T = block_size
    place = torch.arange(T)
""",
        )
    )
    | model(
        (
            JOIN,
            """            if chunk.order is None:
                k, v = torch.cat((past.k, k), dim=2), torch.cat((past.v, v), dim=2)
        if chunk.order is not None:
            room = x.new_zeros(2, x.size(0), 1, chunk.mask.size(-1) + 1, x.size(2))
            if past is not None:
                room[0, :, :, : past.k.size(2)], room[1, :, :, : past.v.size(2)] = past.k, past.v
            rows = torch.arange(x.size(0))[:, None]
            room[0][rows, 0, chunk.order], room[1][rows, 0, chunk.order] = k.squeeze(1), v.squeeze(1)
            k, v = room[0, :, :, :-1], room[1, :, :, :-1]
""",
        ),
        (
            ATTEND,
            "        bias = torch.zeros(chunk.mask.shape).to(q).masked_fill(chunk.mask, -torch.inf)\n"
            "        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias).squeeze(1)\n",
        ),
    ),
    "plain-where-no-row-is-shorter": model(
        (
            RAGGED,
            "        is_plain = cache is None or cache.lengths is None\n"
            "        if lengths is not None and is_plain and bool((lengths == T_new).all()):\n"
            "            lengths = None\n" + RAGGED,
        )
    ),
    "softmax-in-float32-and-a-finite-mask": model(
        (WEIGHTS, "    weights = scores.masked_fill(mask, -1e30).float().softmax(dim=-1).type_as(v)\n")
    ),
    "lengths-of-another-type": model((END, END.replace("total", "total.int()"))),
}
