"""Two processes that ask the same get the same bits: the grade compares answers from two of them."""

import hashlib
import subprocess
import sys

import torch

SCRIPT = """
import hashlib, runpy, sys, torch
torch.set_num_threads(1)
gpt = runpy.run_path(sys.argv[1], run_name="tests_other_process_model")
torch.manual_seed(7)
model = gpt["GPT"](gpt["GPTConfig"](vocab_size=11))
logits = model(torch.arange(24).remainder(11).reshape(3, 8))
logits.square().sum().backward()
answers = [logits, *(parameter.grad for parameter in model.parameters())]
print(hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in answers)).hexdigest())
"""


def test_another_process_computes_the_same_bits(gpt, model_file):
    torch.manual_seed(7)
    model = gpt.GPT(gpt.GPTConfig(vocab_size=11))
    logits = model(torch.arange(24).remainder(11).reshape(3, 8))
    logits.square().sum().backward()
    answers = [logits, *(parameter.grad for parameter in model.parameters())]
    expected = hashlib.sha256(b"".join(tensor.detach().numpy().tobytes() for tensor in answers)).hexdigest()

    other = subprocess.run(
        [sys.executable, "-c", SCRIPT, model_file], capture_output=True, text=True, check=True, timeout=60
    )

    assert expected == other.stdout.strip()
