"""Checks of how gradients are clipped, on a stand-in model that the grader brings."""
