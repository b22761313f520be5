"""A result in the formats of other systems, one file for each: a record in, bytes out."""
