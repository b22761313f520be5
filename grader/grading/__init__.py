"""One grade, from a submission to its result."""
