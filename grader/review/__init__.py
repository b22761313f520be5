"""After it is over: what was wrong in an exercise, and what a good answer says."""
