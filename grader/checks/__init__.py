"""Checks: properties of a right solution, each with the cases to draw.

A family of checks is a module of ``families``. What is beside it is what they are written with.
"""
