"""Plain PyTorch that shows rows of different lengths."""

from grader.checks.ragged.cases import RaggedCase
from grader.checks.snippets import model_snippet


def ragged_snippet(case: RaggedCase) -> str:
    """Read the rows together, and each alone, and compare where there is a token."""
    chunks = [
        (case.chunk(i).tolist(), None if i in case.plain else list(lengths)) for i, lengths in enumerate(case.lengths)
    ]
    listed = "".join(f"    {chunk},\n" for chunk in chunks)
    return model_snippet(
        case,
        f"""
totals = {list(case.totals())}  # how many of these tokens each row reads
chunks = [  # the tokens of each chunk, padding included, and how many of a row's are real
{listed}]
cache, read = None, [[] for _ in totals]
for chunk, lengths in chunks:
    named = {{}} if lengths is None else {{"lengths": torch.tensor(lengths)}}
    logits, cache = model.forward_incremental(torch.tensor(chunk), cache, **named)
    for row, real in enumerate(lengths or [len(row) for row in chunk]):
        read[row].append(logits[row, :real])
for row, total in enumerate(totals):
    alone = model(tokens[row : row + 1, :total])[0]
    difference = (torch.cat(read[row]) - alone).abs().amax(dim=1)  # one number a position
    print(row, difference)
    assert (difference <= 1e-9).all(), f"row {{row}} has other logits than alone"
""",
    )
