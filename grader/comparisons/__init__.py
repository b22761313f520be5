"""What two packages are compared by, bit for bit: a comparison is a fixed list of questions about one side of them."""
