"""The record of a grade: what it holds, who may see it, how it is checked again."""
