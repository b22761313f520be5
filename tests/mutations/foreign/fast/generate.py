"""Generation: a prompt at once, then one token after the other, each at the position that it will be read from."""

import torch
from torch.nn import functional as F


def logits_to_probs(logits, temperature=1.0, top_k=None):
    logits = logits / max(temperature, 1e-5)
    if top_k is not None:
        v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
        pivot = v.select(-1, -1).unsqueeze(-1)
        logits = torch.where(logits < pivot, -float("Inf"), logits)
    return F.softmax(logits, dim=-1)


def sample(logits, generator=None, **sampling_kwargs):
    probs = logits_to_probs(logits[:, -1], **sampling_kwargs)
    return torch.multinomial(probs, num_samples=1, generator=generator)


def prefill(model, x, input_pos, **sampling_kwargs):
    logits = model(x, input_pos)
    return sample(logits, **sampling_kwargs)


def decode_one_token(model, x, input_pos, **sampling_kwargs):
    assert input_pos.shape[-1] == 1
    logits = model(x, input_pos)
    return sample(logits, **sampling_kwargs)


@torch.no_grad()
def generate(model, prompt, max_new_tokens, batch_size=1, **sampling_kwargs):
    T = prompt.size(-1)
    T_new = T + max_new_tokens
    model.setup_caches(max_batch_size=batch_size, max_seq_length=min(T_new, model.config.block_size))

    seq = torch.empty(batch_size, T_new, dtype=prompt.dtype)
    prompt = prompt.view(1, -1).repeat(batch_size, 1)
    seq[:, :T] = prompt
    input_pos = torch.arange(0, T)

    next_token = prefill(model, prompt, input_pos, **sampling_kwargs)
    seq[:, T] = next_token.squeeze()

    input_pos = torch.tensor([T], dtype=torch.int)
    for i in range(max_new_tokens - 1):
        next_token = decode_one_token(model, next_token, input_pos, **sampling_kwargs)
        seq[:, T + 1 + i] = next_token.squeeze()
        input_pos += 1
    return seq
