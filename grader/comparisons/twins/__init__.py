"""Comparisons with a candidate's twin: at other sizes, in other modes, over whole runs."""
