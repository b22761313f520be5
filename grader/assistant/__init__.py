"""A workspace as an assistant may see it: what a learner may ask, answered in words."""
