"""The classifier head, its labels, its loss and its accuracy."""
