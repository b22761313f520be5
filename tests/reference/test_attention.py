"""Attention is what PyTorch says it is, and looks at nothing that lies ahead."""

import math
from itertools import pairwise

import torch
from torch.nn import functional as F


def test_attend_equals_the_attention_of_pytorch(gpt):
    generator = torch.Generator().manual_seed(0)
    q, k, v = torch.randn(3, 4, 1, 7, 5, dtype=torch.float64, generator=generator)
    mask = gpt.causal_mask(7, torch.device("cpu"))

    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True)

    torch.testing.assert_close(gpt.attend(q, k, v, mask), expected, rtol=0, atol=1e-14)


def test_the_mask_forbids_exactly_what_lies_ahead(gpt):
    expected = [[False, True, True], [False, False, True], [False, False, False]]

    assert expected == gpt.causal_mask(3, torch.device("cpu")).tolist()


def test_logits_before_a_changed_token_keep_every_bit(model):
    tokens = torch.arange(13).remainder(11).repeat(3, 1)  # (B, T)
    before = model(tokens).numpy()
    for t in range(1, 13):
        changed = tokens.clone()
        changed[:, t:] = (changed[:, t:] + 1) % 11
        after = model(changed).numpy()

        assert before[:, :t].tobytes() == after[:, :t].tobytes()
        assert not (before[:, t] == after[:, t]).any()


def test_logits_depend_on_every_earlier_token(model):
    tokens = torch.arange(10).unsqueeze(0)  # (1, T)
    before = model(tokens)
    for s in range(10):
        changed = tokens.clone()
        changed[:, s] = 10

        assert (model(changed)[:, s:] != before[:, s:]).any(dim=-1).all()


def test_one_layer_tells_the_order_of_earlier_tokens(gpt):
    torch.manual_seed(0)
    model = gpt.GPT(gpt.GPTConfig(vocab_size=11, n_layer=1)).double()
    ordered, swapped = model(torch.tensor([[3, 4, 5], [4, 3, 5]]))[:, -1]

    assert (ordered - swapped).abs().max() > 1e-6


def test_huge_scores_stay_finite(gpt):
    q = torch.full((1, 4, 3), 1e18)

    assert gpt.attend(q, q, torch.ones(1, 4, 3), gpt.causal_mask(4, q.device)).isfinite().all()


def test_the_initialisation_is_that_of_gpt_2(gpt):
    torch.manual_seed(0)
    parameters = gpt.GPT(gpt.GPTConfig(d_model=64, n_layer=8)).state_dict()

    assert math.isclose(parameters["blocks.0.mlp.fc.weight"].std(), 0.02, rel_tol=0.05)
    assert math.isclose(parameters["blocks.0.mlp.proj.weight"].std(), 0.02 / 4, rel_tol=0.05)
    assert all(not parameter.any() for name, parameter in parameters.items() if name.endswith("bias"))
    assert all((parameter == 1).all() for name, parameter in parameters.items() if ".ln_" in name and "weight" in name)


def test_layers_start_from_different_weights(gpt):
    weights = [block.attn.query.weight for block in gpt.GPT(gpt.GPTConfig(n_layer=4)).blocks]

    assert not any(torch.equal(left, right) for left, right in pairwise(weights))


def test_parameters_have_the_names_and_shapes_of_the_contract(gpt):
    V, C, N = 11, 6, 5
    block = {
        **{f"ln_{i}.{kind}": (C,) for i in (1, 2) for kind in ("weight", "bias")},
        **{f"attn.{name}.weight": (C, C) for name in ("query", "key", "value", "proj")},
        **{f"attn.{name}.bias": (C,) for name in ("query", "key", "value", "proj")},
        "mlp.fc.weight": (4 * C, C),
        "mlp.fc.bias": (4 * C,),
        "mlp.proj.weight": (C, 4 * C),
        "mlp.proj.bias": (C,),
    }
    expected = {
        "token_embedding.weight": (V, C),
        "position_embedding.weight": (N, C),
        **{f"blocks.{i}.{name}": shape for i in range(2) for name, shape in block.items()},
        "ln_f.weight": (C,),
        "ln_f.bias": (C,),
        "lm_head.weight": (V, C),
    }
    model = gpt.GPT(gpt.GPTConfig(vocab_size=V, block_size=N, d_model=C))

    assert expected == {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
