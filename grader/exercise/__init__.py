"""An exercise: its reference, its key, its rubric, and what a learner is given."""
