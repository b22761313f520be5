"""A small Llama, whose loss is what the model keeps of its last call."""

import torch

NAMES = {
    r"tok_embeddings\.weight": "token_embedding.weight",
    r"layers\.(\d+)\.attention\.wq\.weight": r"blocks.\1.attn.query.weight",
    r"layers\.(\d+)\.attention\.wk\.weight": r"blocks.\1.attn.key.weight",
    r"layers\.(\d+)\.attention\.wv\.weight": r"blocks.\1.attn.value.weight",
    r"layers\.(\d+)\.attention\.wo\.weight": r"blocks.\1.attn.proj.weight",
    r"layers\.(\d+)\.feed_forward\.w2\.weight": r"blocks.\1.mlp.proj.weight",
    r"norm\.weight": "ln_f.weight",
}


def build(model, sizes):
    return model.Transformer(
        model.ModelArgs(
            dim=-(-sizes.d_model // (2 * sizes.n_head)) * 2 * sizes.n_head,  # an even number for each head
            n_layers=sizes.n_layer,
            n_heads=sizes.n_head,
            n_kv_heads=sizes.n_head if sizes.n_head % 2 else sizes.n_head // 2,
            vocab_size=sizes.vocab_size,
            multiple_of=4,
            max_seq_len=sizes.block_size,
            dropout=sizes.dropout,
        )
    )


def logits(net, tokens):
    return net(tokens, tokens)  # without targets only the last position is scored


def loss(train, net, batch):
    net(batch.tokens, batch.targets)
    return net.last_loss


def run(train, net, batches, settings):
    return train.fit(net, [(batch.tokens, batch.targets) for batch in batches], settings.lr, settings.grad_clip)


def stand_in(train, small):
    class Small(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.small, self.last_loss = small, None

        def forward(self, tokens, targets):
            logits, self.last_loss = self.small(tokens, targets)
            return logits

    return Small()
