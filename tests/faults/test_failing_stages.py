"""A stage whose disk refuses it says so in one sentence and fails; nothing half-written stays; a rerun is whole."""

import errno
import os
import random

import pytest
from runner import FAIL_FROM, FAIL_ONCE
from small_run import STAGES, leftovers, make_room, take_away

CAUSES = (errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EIO)
TRIES = 4


def command_of(stages, stage, random_):
    return random_.choice([command for command in stages.commands if command.stage == stage])


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_cannot_write_says_which_file_and_why(stages, stage):
    random_ = random.Random(stage)
    command = command_of(stages, stage, random_)
    made, failed = len(stages.whole[command.name].operations), 0
    for cause in CAUSES:
        take_away(stages.work, command)
        fault = {"nth": random_.randint(1, made), "action": random_.choice([FAIL_ONCE, FAIL_FROM]), "code": cause}
        done = stages.runner.run(stages.work, argv=command.argv, **fault)
        assert stages.half_written(command) == []
        assert leftovers(stages.work) == []
        assert "Traceback" not in done.said
        assert done.status in (0, 1)
        if done.status:
            failed += 1
            sentence = done.said.splitlines()[-1]
            assert sentence.startswith(f"zfpipe {stage}: error: ")
            assert os.strerror(cause) in sentence
            assert "results/" in sentence
    make_room(stages.work, command)
    done = stages.runner.run(stages.work, argv=command.argv)
    assert stages.differences(done) == []
    assert failed > 0
