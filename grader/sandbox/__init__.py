"""Run someone else's PyTorch code in a process of its own: questions in, tensors out, nothing else.

    grader process                      launcher process            worker process
    Launcher (client.py)      ───▶  launcher.py           ───▶  worker/ behind lock/
    Worker (connection.py)    ◀── frames (wire.py) of questions (questions.py) ──▶

Nothing here knows of checks, points or reports.
"""
