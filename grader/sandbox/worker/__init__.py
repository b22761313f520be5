"""The worker's side: load a package from text, answer questions about it. Runs locked, beside untrusted code.

Only this package and ``launcher`` import torch. Nothing here is a defence: once the candidate's code has
run, this process belongs to it. What protects the verdict is that nothing of value is in reach.
"""
