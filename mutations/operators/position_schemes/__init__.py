"""Bugs of position schemes other than learned positions."""
