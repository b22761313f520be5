"""Checks of results that are nearly right: approximations, precision, and numbers that are very large or small."""
