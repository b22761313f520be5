"""Checks that results stay numbers: large scores, short floats, long sequences, and rows that attend to nothing."""
