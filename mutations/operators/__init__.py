"""The operators, one module each, in a package for each category."""
