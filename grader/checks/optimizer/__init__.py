"""Checks of what make_optimizer makes, on a stand-in model that the grader brings."""
