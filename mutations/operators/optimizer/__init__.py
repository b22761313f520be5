"""Which parameters the optimizer holds, and how it treats each."""
