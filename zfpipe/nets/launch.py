"""Start the processes of a team on this machine, or be one of those that torchrun started; end them all together."""

import contextlib
import logging
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import traceback
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.multiprocessing.spawn import ProcessException

from zfpipe.errors import UserError, out_of_memory
from zfpipe.nets.team import Team
from zfpipe.progress import be_quiet

Work = Callable[[Namespace, Team, str], None]  # options, the process's place, where they meet
AT_LEAST_ALLOWED = 4  # processes on any CPU, to try what several do
LOST = 3  # exit status of a process that ended because another one did
SECONDS_BETWEEN_LOOKS = 1.0


def together(work: Work, arguments: Namespace) -> None:
    """Run work(arguments, team, meeting) in `arguments.devices` processes, or as one of those that are running.

    `work` is a function of a module. An error of one ends all, and is raised here as if it had come up here.
    Raises UserError for a number of devices that is not there or not what torchrun was told.
    """
    size, running = arguments.devices, int(os.environ.get("WORLD_SIZE", 1))
    if size < 1:
        raise UserError(f"train.devices is {size}; it must be at least 1.")
    if running > 1 and "RANK" in os.environ:
        if running != size:
            raise UserError(
                f"{running} processes were started (WORLD_SIZE), and train.devices is {size}; say {running}."
            )
        with _member(Team(int(os.environ["RANK"]), size)) as team:
            work(arguments, team, "env://")
    elif size == 1:
        work(arguments, Team(), "")
    else:
        _require_place(arguments.device, size)
        _start(work, arguments, size)


def _require_place(device: str, size: int) -> None:
    """Raise UserError for more processes than GPUs or, on a CPU, than can do anything but wait for one another."""
    there = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    if 0 < there < size:
        raise UserError(f"train.devices is {size}, and this machine has {there} CUDA device(s); ask for as many.")
    cores = os.cpu_count() or 1
    if not there and size > max(cores, AT_LEAST_ALLOWED):
        raise UserError(f"train.devices is {size}, and this machine has {cores} cores and no GPU; ask for fewer.")


@contextlib.contextmanager
def _member(team: Team) -> Iterator[Team]:
    if not team.leads:
        be_quiet()
    try:
        yield team
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _start(work: Work, arguments: Namespace, size: int) -> None:
    """Run a process for each device and wait for all. They are new ones: CUDA and OpenMP do not survive a fork."""
    with tempfile.TemporaryDirectory(prefix="zfpipe-team-") as folder:
        facts = (work, arguments, size, folder, os.getpid())
        logging.getLogger("torch.multiprocessing.spawn").setLevel(logging.ERROR)  # its word of ending the others
        context = multiprocessing.start_processes(_run, facts, size, join=False, start_method="spawn")
        try:
            while not context.join():
                pass
        except ProcessException as error:
            raise _cause(context.processes, Path(folder)) from error
        finally:
            for process in context.processes:
                if process.is_alive():
                    process.kill()
                process.join()


def _cause(processes: list, folder: Path) -> BaseException:
    """Return what ended a team: an error that one of them met, else the one that was killed."""
    for report in sorted(folder.glob("error-*")):
        return pickle.loads(report.read_bytes())  # our own process wrote it a moment ago
    for rank, process in enumerate(processes):
        if process.exitcode < 0 and -process.exitcode != signal.SIGTERM:  # those that are left get SIGTERM
            name = signal.Signals(-process.exitcode).name
            return UserError(
                f"Process {rank} of the {len(processes)} that train was ended by {name} (for want of memory, if nobody "
                "did it); the others were ended too, and the same command goes on from the newest epoch."
            )
    return UserError("A process of the training ended without a word; the same command goes on from the newest epoch.")


def _run(rank: int, work: Work, arguments: Namespace, size: int, folder: str, parent: int) -> None:
    """Be one process of a team: work, leave word of an error in `folder`, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.environ["LOCAL_RANK"] = str(rank)
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all are on this machine, whose name need not be known
    try:
        with _member(Team(rank, size)) as team:
            work(arguments, team, f"file://{folder}/meeting")
    except BaseException as error:
        if _lost_another(error):
            os._exit(LOST)
        begun = Path(folder, f"begun-{rank}")
        begun.write_bytes(pickle.dumps(_to_tell(error)))
        begun.rename(Path(folder, f"error-{rank}"))  # whole, or not there
        os._exit(1)


def _to_tell(error: BaseException) -> BaseException:
    """Return what the starting process shall raise: a user's error as it is; for a fault of ours a trace is printed."""
    if isinstance(error, UserError | OSError | MemoryError):
        return error
    if where := out_of_memory(error):
        return torch.OutOfMemoryError(str(error)) if where == "GPU" else MemoryError(str(error))
    traceback.print_exception(error)
    return UserError(f"A process of the training failed ({type(error).__name__}); its trace is above.")


def _lost_another(error: BaseException) -> bool:
    words = str(error)
    closed = any(part in words for part in ("gloo", "Connection closed by peer", "Connection reset", "Broken pipe"))
    return isinstance(error, dist.DistError) or (isinstance(error, RuntimeError) and closed)


def _end_with(parent: int) -> None:
    """End this process when the one that started it is gone, so that nobody trains on unseen."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(LOST)
