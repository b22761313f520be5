"""How scores become weights, and weights a mean of values."""
