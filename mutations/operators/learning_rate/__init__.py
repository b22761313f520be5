"""How long each step is."""
