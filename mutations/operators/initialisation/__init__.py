"""What the weights are before the first step."""
