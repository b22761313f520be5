"""What is asked of a candidate: one check a file, each a property and the cases it is tried on.

A check knows nothing of points or items (``rubric``), nor of which bugs are known (``variants``).
"""
