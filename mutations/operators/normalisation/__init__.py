"""Layer norms, and the residual stream that they read."""
