"""A Slurm of one node for the session, and the small workflow of tests/workflow to send to it."""

import importlib.util
import sys
from pathlib import Path

import pytest
from one_node import OneNode, obstacle

_FILE = Path(__file__).parents[1] / "workflow/conftest.py"
_SPEC = importlib.util.spec_from_file_location("small_workflow", _FILE)
small_workflow = sys.modules["small_workflow"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_workflow)
finished, place, fresh = small_workflow.finished, small_workflow.place, small_workflow.fresh


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A running Slurm. Without one the tests are skipped, and say why."""
    why = obstacle()
    if why:
        pytest.skip(f"NO SLURM HERE, so the cluster is not tested: {why}")
    node = OneNode(tmp_path_factory.mktemp("slurm"))
    try:
        node.start()
        yield node
    finally:
        node.stop()
