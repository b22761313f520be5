"""The configuration is a dict; the loop goes by epochs over a loader, and reports as it goes."""

import torch

NAMES = {
    r"tok_emb\.weight": "token_embedding.weight",
    r"pos_emb\.weight": "position_embedding.weight",
    r"trf_blocks\.(\d+)\.att\.W_(query|key|value)\.(\w+)": r"blocks.\1.attn.\2.\3",
    r"trf_blocks\.(\d+)\.att\.out_proj\.(\w+)": r"blocks.\1.attn.proj.\2",
    r"trf_blocks\.(\d+)\.ff\.layers\.0\.(\w+)": r"blocks.\1.mlp.fc.\2",
    r"trf_blocks\.(\d+)\.ff\.layers\.2\.(\w+)": r"blocks.\1.mlp.proj.\2",
    r"out_head\.weight": "lm_head.weight",
}


def build(model, sizes):
    return model.GPTModel(
        {
            "vocab_size": sizes.vocab_size,
            "context_length": sizes.block_size,
            "emb_dim": sizes.d_model,
            "n_heads": sizes.n_head,
            "n_layers": sizes.n_layer,
            "drop_rate": sizes.dropout,
            "qkv_bias": True,
        }
    )


def logits(net, tokens):
    return net(tokens)


def loss(train, net, batch):
    return train.calc_loss_batch(batch.tokens, batch.targets, net, "cpu")


def run(train, net, batches, settings):
    loader = [(batch.tokens, batch.targets) for batch in batches]
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
    train.train_model_simple(net, loader, loader, optimizer, "cpu", 1, len(batches), 1)
