"""Kills of single stages: SIGKILL at random moments and at random file operations, then the same command again."""

import itertools
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from runner import KILL_AFTER, KILL_BEFORE, KILL_HALFWAY, KILLED, Runner
from small_run import STAGES, Command, commands, copy, leftovers, make_room, prepare, results, take_away

WAYS = {KILL_BEFORE: "before", KILL_AFTER: "after", KILL_HALFWAY: "halfway through"}
MOST_IN_A_ROW = 3  # a rerun may be killed too


@dataclass
class Kill:
    """One job that was to be killed: where it was, if it died (or had ended before), what was wrong in the end."""

    stage: str
    where: str
    died: bool
    differences: list[str] = field(default_factory=list)


class StageKills:
    """The unbroken run in `reference`, and a copy of it in `work` whose jobs are killed and run again."""

    def __init__(self, runner: Runner, folder: Path):
        self.runner, self.reference, self.work = runner, folder / "reference", folder / "work"
        prepare(self.reference)
        self.commands = commands(self.reference)
        self.whole = {command.name: self.unbroken(command) for command in self.commands}
        copy(self.reference, self.work)
        self.right = results(self.reference)

    def rounds(self, count: int, seed: int) -> list[Kill]:
        """Kill `count` jobs, the stages in turn."""
        random_ = random.Random(seed)
        kills: list[Kill] = []
        turns = itertools.cycle(STAGES)
        while len(kills) < count:
            stage = next(turns)
            command = random_.choice([command for command in self.commands if command.stage == stage])
            kills += self.kill(command, random_)
        return kills

    def kill(self, command: Command, random_: random.Random) -> list[Kill]:
        """Take a job's results away, kill it while it makes them anew, perhaps more than once, then let it finish."""
        take_away(self.work, command)
        kills = []
        for _ in range(random_.choice([1, 1, 1, MOST_IN_A_ROW])):
            kills.append(self._one(command, random_))
            kills[-1].differences += self.half_written(command)
            make_room(self.work, command)
        done = self.runner.run(self.work, argv=command.argv)
        kills[-1].differences += self.differences(done)
        if kills[-1].differences:
            copy(self.reference, self.work)
        return kills

    def unbroken(self, command: Command):
        done = self.runner.run(self.reference, argv=command.argv)
        assert done.status == 0, done.said
        return done

    def _one(self, command: Command, random_: random.Random) -> Kill:
        whole = self.whole[command.name]
        if random_.random() < 0.4:
            moment = random_.uniform(0, 0.9 * whole.took)
            done = self.runner.run(self.work, argv=command.argv, seconds=moment)
            return Kill(command.stage, "at a moment", done.status == KILLED)
        nth, action = random_.randint(1, len(whole.operations)), random_.choice(list(WAYS))
        done = self.runner.run(self.work, argv=command.argv, nth=nth, action=action)
        operation = (done.operations or ["none"])[-1].split()[0]
        return Kill(command.stage, f"{WAYS[action]} {operation}", done.status == KILLED)

    def half_written(self, command: Command) -> list[str]:
        """A file that is there at all must be whole, right after the kill."""
        there = results(self.work, command.outputs)
        return [f"{name} is half-written" for name, data in there.items() if data != self.right.get(name, data)]

    def differences(self, done) -> list[str]:
        found = results(self.work)
        wrong = sorted(name for name in found | self.right if found.get(name) != self.right.get(name))
        wrong += [f"{name} was left over" for name in leftovers(self.work)]
        return wrong + ([f"the rerun failed: {done.said}"] if done.status else [])


def summary(kills: list[Kill], title: str) -> str:
    """Return a table: for each stage the kills, those that came too late, where they struck, the differences found."""
    lines = [title, f"{'stage':<12} {'kills':>5} {'too late':>8} {'differences':>11}  where"]
    for stage in dict.fromkeys(kill.stage for kill in kills):
        of = [kill for kill in kills if kill.stage == stage]
        lines.append(f"{stage:<12} {_counts(of)}  {_places(of)}")
    differences = [difference for kill in kills for difference in kill.differences]
    return "\n".join([*lines, f"{'all':<12} {_counts(kills)}", *differences[:20]])


def _counts(kills: list[Kill]) -> str:
    died = sum(kill.died for kill in kills)
    return f"{died:>5} {len(kills) - died:>8} {sum(map(bool, (kill.differences for kill in kills))):>11}"


def _places(kills: list[Kill]) -> str:
    counts = Counter(re.sub(f"^({'|'.join(WAYS.values())}) ", "", kill.where) for kill in kills)
    return ", ".join(f"{where} {count}" for where, count in counts.most_common())
