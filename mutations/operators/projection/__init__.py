"""The shapes of the maps in and out of the model."""
