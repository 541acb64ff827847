"""A whole Slurm on this machine's loopback: controller, node and munge, for as long as the tests take.

It needs root and the Debian packages slurm-wlm and munge. Its files stand in a folder of its own, but for three links
in /etc/slurm: jobs look for the configuration there alone, since Snakemake's plugin takes SLURM_* from their
environment. A machine with a Slurm of its own is left alone.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

SITE = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
PORT = 26817
CPUS, MEMORY_MB = 8, 16000
SECONDS = 30

# Memory is watched by slurmd itself, each second, and a step that is above its request is ended: no cgroups needed.
SLURM_CONF = """
ClusterName=zfpipe
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
MinJobAge=600
KillWait=2
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:1 State=UNKNOWN
PartitionName=short Nodes={host} Default=YES MaxTime=60 State=UP
PartitionName=gpus Nodes={host} MaxTime=60 State=UP
"""


def obstacle() -> str:
    """Say why no Slurm can be started here, or return ''."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"no {', '.join(missing)} on this machine (Debian: apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "Slurm's daemons need root to run jobs, and this is not root"
    conf = SITE / "slurm.conf"
    if conf.exists() and not _is_ours(conf):
        return f"{conf} is there already: this machine has a Slurm of its own"
    return ""


class OneNode:
    """Slurm in `folder`, between start() and stop()."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.daemons: list[subprocess.Popen] = []

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        self._configure()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        places = {"socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "seed"}
        options = [f"--{option}={self.folder / name}" for option, name in places.items()]
        self._run("munged", "--foreground", "--force", f"--key-file={key}", *options)
        self._wait("munge", "--no-input", f"--socket={self.folder / 'munge.socket'}")
        self._run("slurmctld", "-D", "-c")
        self._run("slurmd", "-D", "-c")
        self._wait("sinfo", "--noheader", "--states=idle", "--format=%T", shows="idle")

    def stop(self) -> None:
        """End jobs, then the daemons, the last one first; take the links away."""
        if len(self.daemons) == 3:
            ours = os.environ | {"SLURM_CONF": str(self.folder / "slurm.conf")}  # never those of another Slurm
            subprocess.run(["scancel", "--full", "--user=root"], env=ours, capture_output=True, timeout=SECONDS)
            time.sleep(1)
        for daemon in reversed(self.daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for link in _links():
            if link.is_symlink() and link.resolve().parent == self.folder:
                link.unlink()

    def _configure(self) -> None:
        facts = {"folder": self.folder, "host": socket.gethostname().split(".")[0], "port": PORT}
        sizes = {"node_port": PORT + 1, "cpus": CPUS, "memory": MEMORY_MB}
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**facts, **sizes))
        # Pretended, to see who asks for one; a GPU without a file does not count.
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        version = subprocess.run(["slurmd", "-V"], capture_output=True, text=True, check=True).stdout.split()[1]
        old = tuple(map(int, version.split(".")[:2])) < (23, 2)  # "disabled" begins there
        (self.folder / "cgroup.conf").write_text(f"CgroupPlugin={'cgroup/v1' if old else 'disabled'}\n")
        SITE.mkdir(exist_ok=True)
        for link in _links():
            link.unlink(missing_ok=True)
            link.symlink_to(self.folder / link.name)

    def _run(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("w") as out:
            daemon = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        self.daemons.append(daemon)

    def _wait(self, *command: str, shows: str = "") -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode == 0 and shows in done.stdout:
                return
            time.sleep(0.2)
        logs = {path.name: path.read_text()[-1000:] for path in self.folder.glob("*.log")}
        raise RuntimeError(f"{' '.join(command)} did not answer in {SECONDS} s: {done.stderr} {logs}")


def _links() -> list[Path]:
    return [SITE / f"{name}.conf" for name in ("slurm", "gres", "cgroup")]


def _is_ours(conf: Path) -> bool:
    """A link that a test left behind when it was killed, its daemons gone."""
    left = conf.is_symlink() and "ClusterName=zfpipe" in conf.read_text()
    return left and subprocess.run(["sinfo"], capture_output=True).returncode != 0
