"""Bug-hunting exercises on GPT-style transformers, and the harness that grades them."""

__version__ = "0.1.0"
