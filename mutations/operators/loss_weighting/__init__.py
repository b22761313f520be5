"""How two losses are weighed against each other."""
