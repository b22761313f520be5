"""What a piece of a model or of a loop is for, whatever its name: the questions that operators ask of a source."""
