"""Correct ways to write what has to keep to its numbers: other softmaxes, masks and norms."""

SAME_BITS: dict[str, object] = {}
OTHER_BITS: dict[str, object] = {}
