"""Hand-ins as people and platforms deliver them: which of many files are whose, and which folder is the submission."""
