"""Snakemake sending a small workflow to Slurm, and what Slurm says of the jobs."""

import re
import subprocess
import time

SECONDS = 300
# The node has 8 CPUs and 16 GB; shards and layers are to run side by side.
CLUSTER = {"mem_mb": dict.fromkeys(("check", "pack", "train", "mine", "reconstruct"), 2000), "max_runtime": 60}
# There is no accounting here, and no login node to spare: ask the queue, and soon.
HASTE = ["--slurm-status-command=squeue", "--slurm-init-seconds-before-status-checks=2", "--set-threads", "pack=2"]
FIELDS = {"run": "%j", "comment": "%k", "id": "%i", "memory": "%m", "partition": "%P", "state": "%T"}
FIELDS |= {"start": "%S", "end": "%e"}


def to_slurm(place, *arguments: str, **cluster) -> list[str]:
    """Return the arguments with which a user's snakemake sends this place's workflow to Slurm."""
    place.config["cluster"] = CLUSTER | cluster
    place.config["check"] = {"threads": 2}
    return [*HASTE, "--workflow-profile", str(place.code / "profiles/slurm"), *arguments]


class Sent:
    """A snakemake that was started and not waited for; what it says goes to said.txt."""

    def __init__(self, place, *arguments: str):
        self.said = place / "said.txt"
        self.process = subprocess.Popen(
            place.command(*to_slurm(place, *arguments)),
            cwd=place.folder,
            env=place.environment(),
            stdout=self.said.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def jobs(self, rule: str = "") -> list[dict[str, str]]:
        return jobs(self.said.read_text(), rule)

    def until(self, condition):
        """Wait until a condition holds, while snakemake lives; return what it gave."""
        end = time.monotonic() + SECONDS
        while not (found := condition()):
            assert time.monotonic() < end
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.1)
        return found

    def finish(self) -> None:
        assert self.process.wait(SECONDS) == 0, self.said.read_text()


def jobs(said: str, rule: str = "") -> list[dict[str, str]]:
    """Return the jobs of the run that said so, of one rule or of all, the oldest first."""
    ours = re.findall(r"SLURM run ID: (\S+)", said)
    command = ["squeue", "--states=all", "--noheader", "--sort=i", f"--format={'|'.join(FIELDS.values())}"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [dict(zip(FIELDS, line.strip().split("|"), strict=True)) for line in lines]
    found = [job | {"rule": job["comment"].split("_wildcards_")[0].removeprefix("rule_")} for job in found]
    found = [job for job in found if job["run"] in ours and rule in ("", job["rule"])]
    return [job | {"gpus": _gpus(job["id"])} for job in found]


def _gpus(job: str) -> str:
    """Return what a job asked for in GPUs, as Slurm writes it, or ''."""
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout
    return " ".join(re.findall(r"TresPer\w+=(\S*gpu\S*)", shown))
