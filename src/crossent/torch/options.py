"""What every cross-entropy of crossent.torch can be asked for, and which requests make no sense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from crossent.errors import UsageError

Reduction = Literal["mean", "sum", "none"]
Output = Literal["losses", "lse", "logprob", "entropy", "argmax", "correct"]

REDUCTIONS = ("mean", "sum", "none")
OUTPUTS = ("losses", "lse", "logprob", "entropy", "argmax", "correct")
NOT_DIFFERENTIABLE = ("argmax", "correct")
IGNORED = -100
"""The ignore_index of torch.nn.functional.cross_entropy."""


class CrossEntropyOutput(NamedTuple):
    """The loss, and what else was asked for with `outputs`; None where it was not.

    losses : per token, times its weights, z-loss included, 0 where ignored; what reduction="none" returns.
    lse : log Σ_j exp(z_j). logprob : log p of the target class; of top-k targets (…, k).
    entropy : −Σ p log p, nats.
    All of these have gradients. argmax : the most probable class. correct : whether it is the target.
    """

    loss: Tensor
    losses: Tensor | None = None
    lse: Tensor | None = None
    logprob: Tensor | None = None
    entropy: Tensor | None = None
    argmax: Tensor | None = None
    correct: Tensor | None = None


@dataclass(frozen=True)
class Options:
    """Options of the loss of a row that are plain numbers, checked.

    The logits that count are z = softcap·tanh(x·W / softcap) / temperature.
    """

    reduction: str = "mean"
    ignore_index: int = IGNORED
    label_smoothing: float = 0.0
    z_loss: float = 0.0
    softcap: float | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise _bad("reduction", self.reduction, f"choose one of: {', '.join(REDUCTIONS)}")
        if not 0.0 <= self.label_smoothing <= 1.0:
            raise _bad("label_smoothing", self.label_smoothing, "give a number from 0 to 1")
        if not self.z_loss >= 0.0:
            raise _bad("z_loss", self.z_loss, "give the factor of lse², 0 or more")
        if self.softcap is not None and not self.softcap > 0.0:
            raise _bad("softcap", self.softcap, "give the bound of the logits, above 0, or None")
        if not self.temperature > 0.0:
            raise _bad("temperature", self.temperature, "give a number above 0")

    @property
    def cap(self) -> float:
        """Bound of |z|, 0 for none."""
        return 0.0 if self.softcap is None else self.softcap / self.temperature


def check_outputs(outputs: Sequence[str]) -> tuple[str, ...]:
    """Errors: `UsageError` (bad-option) where a name is none of `OUTPUTS`."""
    unknown = [name for name in outputs if name not in OUTPUTS]
    if isinstance(outputs, str) or unknown:
        raise _bad("outputs", outputs, f"give a tuple of: {', '.join(OUTPUTS)}")
    return tuple(outputs)


def _bad(name: str, value: object, cure: str) -> UsageError:
    return UsageError("bad-option", f"{name} is {value!r}", cure=cure)
