"""How the gradient is kept short."""
