"""Cross-entropy whose classes are spread over the ranks of torch.distributed: each holds some columns."""

from __future__ import annotations

from crossent.torch.parallel.functions import (
    vocab_parallel_cross_entropy,
    vocab_parallel_linear_cross_entropy,
)

__all__ = ["vocab_parallel_cross_entropy", "vocab_parallel_linear_cross_entropy"]
