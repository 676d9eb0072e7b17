"""Nodes of a Ray cluster that die."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .runs import FRAGMENT, environment, kill, wait_for

MIDDLE = 10 * FRAGMENT


NODES = """
import sys, pathlib, time
from ray.cluster_utils import Cluster

def wait(name):
    while not (folder / name).exists():
        time.sleep(0.05)

folder = pathlib.Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
lost = cluster.add_node(num_cpus=1)
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
(folder / "address").write_text(cluster.address)
wait("lose")
cluster.remove_node(lost, allow_graceful=False)
cluster.add_node(num_cpus=1)
(folder / "lost").touch()
wait("end")
cluster.shutdown()
"""


def test_a_node_goes_and_another_comes(run, faults, undisturbed, tmp_path: Path) -> None:
    env = environment(faults) | {"RAY_USAGE_STATS_ENABLED": "0"}
    nodes = subprocess.Popen(
        [sys.executable, "-c", NODES, tmp_path], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: (tmp_path / "address").exists())
        address = (tmp_path / "address").read_text()
        disturbed = run(engine="ray", more=["--address", address])
        faults.hold(MIDDLE)
        disturbed.begin()
        faults.wait_held(2)
        (tmp_path / "lose").touch()
        wait_for(lambda: (tmp_path / "lost").exists())
        faults.release()
        assert disturbed.process.wait(100) == 0
        assert disturbed.ended().state == undisturbed[False]
    finally:
        (tmp_path / "end").touch()
        nodes.wait(60)
        kill(*(pid for pid in disturbed.processes() if pid != os.getpid()))
