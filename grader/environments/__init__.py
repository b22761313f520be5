"""Exercises as environments for agents: what agents are handed, and how what they leave is graded."""
