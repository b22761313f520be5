"""Bugs as edits: source text in, source text out."""
