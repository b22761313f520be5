"""Checks of whether what a model is made of belongs to it, once, and learns."""
