"""Checks that seeds decide, and nothing else."""
