"""New exercises from a correct GPT: choose bugs, plant them, prove the exercise sound, write it down."""
