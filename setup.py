"""Which packages an installation holds; all else about it is in pyproject.toml.

An include pattern cannot name the two packages that lie elsewhere in the tree, and pyproject.toml takes either a
pattern or a list. Nothing else may be found: the root of the repository must never land on ``sys.path``, or a graded
worker could ``import reference``.
"""

from setuptools import find_namespace_packages, setup

FOUND = find_namespace_packages(
    include=["grader", "grader.*", "mutations", "mutations.*"], exclude=["*.__pycache__", "*.__pycache__.*"]
)
MOVED = ["grader.builtin.reference", "grader.builtin.starter"]  # from where package-dir in pyproject.toml says

setup(packages=[*FOUND, *MOVED])
