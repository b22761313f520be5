"""Many submissions graded alike: read as data, marked in processes of their own, kept, and shown side by side."""
