"""The long set of kills, `make faults KILLS=300 WORKFLOW=20 SEED=1`: of single jobs, and some of the whole workflow."""

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from kills import Kill, StageKills, summary
from runner import Runner, why_not
from small_run import STAGES
from workflow_kills import VICTIMS, WorkflowKills


def main() -> int:
    """Kill, rerun, compare; print a table for each part. The status is 1 if any result differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="in all")
    parser.add_argument("--workflow", type=int, default=20, help="of them of the whole workflow, a minute each")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if why_not():
        print(f"No fault was made: {why_not()}.")
        return 2
    began, whole = time.monotonic(), min(arguments.workflow, arguments.kills)
    with tempfile.TemporaryDirectory() as folder:
        with Runner(Path(folder) / "runner") as runner:
            kills = StageKills(runner, Path(folder) / "stages").rounds(arguments.kills - whole, arguments.seed)
        print(summary(kills, f"\nSingle jobs (seed {arguments.seed})"), flush=True)
        others = of_workflow(Path(folder) / "workflow", whole, arguments.seed) if whole else []
    print(summary(others, "\nThe whole workflow"))
    every = kills + others
    wrong = sum(bool(kill.differences) for kill in every)
    died = sum(kill.died for kill in every)
    print(f"\n{died} kills, {wrong} with a difference, {time.monotonic() - began:.0f} s")
    return int(wrong > 0)


def of_workflow(folder: Path, count: int, seed: int) -> list[Kill]:
    """Kill each victim in each stage in turn, until there are `count` kills."""
    random_, workflow = random.Random(seed), WorkflowKills(folder)
    turns = [(stage, victim) for victim in VICTIMS for stage in STAGES]
    random_.shuffle(turns)
    kills = []
    for number in range(count):
        kills.append(workflow.kill(*turns[number % len(turns)], random_))
        print(f"{number + 1} of {count}: {kills[-1].where} in {kills[-1].stage}", file=sys.stderr, flush=True)
    return kills


if __name__ == "__main__":
    sys.exit(main())
