"""Training mode, evaluation mode, and dropout."""
