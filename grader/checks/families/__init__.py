"""Checks by what they are about: a module for each family, two where one would be too long."""
