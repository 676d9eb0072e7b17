"""The list of losses: a module of this package registers what it defines, and is found by being there."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from typing import TypeVar

from crossent.errors import UsageError
from crossent.losses.contract import Loss

L = TypeVar("L", bound=Loss)

_LOSSES: dict[str, Loss] = {}


def register(loss: L) -> L:
    """Make a loss known by its name, and return it.

    Errors: `UsageError` (duplicate-loss) if another loss has the name.
    """
    known = _LOSSES.setdefault(loss.name, loss)
    if known != loss:
        raise UsageError(
            "duplicate-loss",
            f"a loss named {loss.name!r} is already registered ({type(known).__module__})",
            cure="give the new one another name",
        )
    return loss


def get(name: str) -> Loss:
    """The loss of that name.

    Errors: `UsageError` (unknown-loss), which lists the names there are.

    >>> get("log_loss").unit
    'nats'
    """
    _load_modules()
    if name not in _LOSSES:
        raise UsageError(
            "unknown-loss", f"no loss is named {name!r}", cure=f"choose one of: {', '.join(sorted(_LOSSES))}"
        )
    return _LOSSES[name]


def all_losses() -> tuple[Loss, ...]:
    """Every registered loss, in the order of registration."""
    _load_modules()
    return tuple(_LOSSES.values())


@cache
def _load_modules() -> None:
    import crossent.losses as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
