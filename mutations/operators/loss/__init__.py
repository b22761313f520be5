"""The language model's loss and its targets."""
