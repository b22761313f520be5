"""Models that are large enough to tell by a draw of their parameters what they are drawn from."""

from typing import Final

from hypothesis import strategies as st

from grader.checks.projection.parameter_shapes import SizeCase

LARGE: Final = st.builds(
    SizeCase,
    d_model=st.sampled_from((24, 32)),
    vocab_size=st.sampled_from((19, 40)),
    n_layer=st.integers(1, 4),
    block_size=st.sampled_from((20, 28)),
    seed=st.integers(0, 999),
)
