"""Clusters that do not answer, or have nobody who works."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from crossent.errors import UsageError

PATIENCE = 120.0
"""Seconds to wait for the first worker: those that are started on demand take a minute or so."""
PAUSE = 0.5

log = logging.getLogger("crossent.distributed")


def wait_for_workers(engine: str, address: str | None, workers: Callable[[], int]) -> None:
    """Wait until a cluster has a worker; UsageError where none comes."""
    begun = time.monotonic()
    told = False
    while workers() < 1:
        if time.monotonic() - begun > PATIENCE:
            raise UsageError(
                "cluster-without-workers",
                f"the {engine} cluster at {address or 'this machine'} has had no worker for {PATIENCE:.0f} "
                "seconds",
                cure="start workers, or leave the address out to work on this machine",
            )
        if not told:
            log.warning("the cluster has no worker yet", extra={"event": "waiting", "engine": engine})
            told = True
        time.sleep(PAUSE)


def cannot_reach(engine: str, address: str | None, error: BaseException) -> UsageError:
    """The error for a cluster that does not answer."""
    return UsageError(
        "cluster-unreachable",
        f"no {engine} cluster answers at {address or 'this machine'} ({str(error).splitlines()[0][:200]})",
        cure="check the address and that the cluster runs, or leave the address out to start one here",
    )
