"""Many submissions graded alike: read as data, graded in processes of their own, kept, and shown side by side."""
