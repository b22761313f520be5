"""The page of ``grader watch --open``: a report that changes while its reader looks at it."""
