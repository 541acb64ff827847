"""Kills of the whole workflow: SIGKILL to a stage, to Snakemake, or to all of it; then the plain command again."""

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil
from kills import Kill
from small_run import STAGES, commands, copy, environment, leftovers, prepare, results, snakemake, take_away

VICTIMS = ("stage", "snakemake", "both")
PATIENCE = 300.0  # seconds for anything to happen, on a machine that others use too
PLAIN = ("--cores", "2")


class WorkflowKills:
    """A run that Snakemake finished in `reference`, and copies of it that lack a stage's results and are killed."""

    def __init__(self, folder: Path):
        self.reference, self.work = folder / "reference", folder / "work"
        prepare(self.reference)
        self.commands = commands(self.reference)
        plain(self.reference)
        self.right = results(self.reference)

    def kill(self, stage: str, victim: str, random_: random.Random) -> Kill:
        """Take away what a stage and all after it made, kill `victim` in that stage, then run the plain command.

        (Snakemake makes nothing anew that lies before what is there already.)
        """
        copy(self.reference, self.work)
        for command in self.commands:
            if STAGES.index(command.stage) >= STAGES.index(stage):
                take_away(self.work, command)
        return killed(self.work, self.right, stage, victim, random_)


def killed(folder: Path, right: dict[str, bytes], stage: str, victim: str, random_: random.Random) -> Kill:
    """Start the workflow, wait for a job of `stage`, send SIGKILL at a random moment, recover; say what differs."""
    process = start(folder)
    job = wait_for(lambda: job_of(process, stage), process)
    done = Kill(stage, f"the workflow's {victim}", died=True)
    time.sleep(random_.uniform(0, 6))
    try:
        if victim == "stage":
            job.kill()
        elif victim == "snakemake":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        done.died = False
    status = process.wait(PATIENCE)
    done.died = done.died and status != 0
    if victim != "stage" and done.died:
        plain(folder, "--unlock")
    plain(folder)
    wait_for(lambda: not job.is_running() or job.status() == psutil.STATUS_ZOMBIE)  # an orphan may live on
    found = results(folder)
    done.differences += sorted(name for name in found | right if found.get(name) != right.get(name))
    done.differences += [f"{name} was left over" for name in leftovers(folder)]
    return done


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """Start the plain command (or another) in a process group of its own."""
    said = (folder / "killed.txt").open("w")
    ways = {"stdout": said, "stderr": subprocess.STDOUT, "start_new_session": True}
    return subprocess.Popen(snakemake(*(arguments or PLAIN)), cwd=folder, env=environment(), **ways)


def plain(folder: Path, *arguments: str, status: int = 0) -> str:
    """Run Snakemake as a user would; return what it says."""
    asked = snakemake(*(arguments or PLAIN))
    done = subprocess.run(asked, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def job_of(process: subprocess.Popen, stage: str) -> psutil.Process | None:
    """Return the running Python process of a stage below Snakemake."""
    assert stage in STAGES
    try:
        below = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    return next((child for child in below if _is_stage(child, stage)), None)


def wait_for(condition, process: subprocess.Popen | None = None):
    """Return what `condition` says as soon as it says anything; look a hundred times a second."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "waited too long"
        assert process is None or process.poll() is None, "the workflow ended before the job was seen"
        time.sleep(0.01)
    return found


def _is_stage(process: psutil.Process, stage: str) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return len(words) > 2 and "python" in words[0] and words[1].endswith("zfpipe") and words[2] == stage
