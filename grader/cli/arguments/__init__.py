"""What each command takes on the command line: one module for each, free of everything heavy."""
