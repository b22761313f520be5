"""Files and what is written into them: read from strangers, written whole or not at all."""
