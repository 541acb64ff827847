"""kill -9 anywhere: of a stage at any moment and any file operation, and of everything; the rerun's results are those
of an unbroken run. The quick set of `make faults`."""

import random

from kills import summary
from small_run import STAGES, prepare
from workflow_kills import killed

KILLS = 28


def test_whatever_is_killed_the_same_command_ends_with_the_results_of_an_unbroken_run(stages, tmp_path, capsys):
    kills = stages.rounds(KILLS, seed=0)
    prepare(tmp_path / "workflow")
    whole = [killed(tmp_path / "workflow", stages.right, "mine", "both", random.Random(0))]
    with capsys.disabled():
        print(summary(kills + whole, "\nKills of single jobs, and one of the whole workflow"))
    assert {kill.stage for kill in kills} == set(STAGES)
    assert sum(kill.died for kill in kills) > KILLS / 2
    assert [kill for kill in kills + whole if kill.differences] == []
