"""Texts that the examples of several operators begin with."""

BLOCK = """\
class Block(nn.Module):
    def __init__(self, C):
        self.ln_1 = nn.LayerNorm(C)
        self.attn = Attention(C)
        self.ln_2 = nn.LayerNorm(C)
        self.mlp = MLP(C)

    def forward(self, x, mask):
"""
