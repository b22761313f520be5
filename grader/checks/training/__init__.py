"""Checks of the training step, on a stand-in model that the grader brings."""
