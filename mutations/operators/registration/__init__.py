"""Which parameters the model knows of, and which of them are the same."""
