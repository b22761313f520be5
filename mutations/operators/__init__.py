"""The operators, one module each; catalogue.py lists them."""
