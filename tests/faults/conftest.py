"""One process that jobs are forked from, for all tests with faults."""

import pytest
from kills import StageKills
from runner import Runner, why_not


@pytest.fixture(scope="session")
def runner(tmp_path_factory):
    if why_not():
        pytest.skip(f"NO FAULTS ARE MADE: {why_not()}")
    with Runner(tmp_path_factory.mktemp("runner")) as runner:
        yield runner


@pytest.fixture(scope="session")
def stages(runner, tmp_path_factory):
    """An unbroken run of every stage, and a copy of it whose jobs may be broken."""
    return StageKills(runner, tmp_path_factory.mktemp("stages"))
