"""Packages of code that answer questions: the candidate, the reference and its variants."""
