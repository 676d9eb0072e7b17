"""One cluster of each kind for all tests that want one: to start one takes seconds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A Ray cluster of two processors that the engine finds in this process."""
    ray = pytest.importorskip("ray")
    with warnings.catch_warnings():
        # JAX, which another test may have imported into this process, warns of every fork
        warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def dask_address() -> Iterator[str]:
    """A Dask cluster of two processes."""
    distributed = pytest.importorskip("distributed")
    cluster: Any = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        silence_logs=50,
    )
    yield cluster.scheduler_address
    cluster.close()
