"""A process that has imported all of zfpipe and forks a child for every job: thousands of jobs without an import each.

Run by runner.py with the shim (faulty.c) preloaded. A job is a line of JSON on stdin, its outcome a line on stdout.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import traceback

import zfpipe.__main__

for stage in zfpipe.__main__.STAGES:
    importlib.import_module(f"zfpipe.stages.{stage}")

ANSWERS = os.dup(1)


def serve() -> None:
    os.dup2(2, 1)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    answer({"ready": True})
    for line in sys.stdin:
        answer(run(json.loads(line)))


def answer(outcome: dict) -> None:
    os.write(ANSWERS, json.dumps(outcome).encode() + b"\n")


def run(job: dict) -> dict:
    """Fork, let the child do the job, wait for it; kill it after `seconds` if the job says so."""
    began = time.monotonic()
    child = os.fork()
    if not child:
        in_child(job)
    if job.get("seconds") is not None and not signal.sigtimedwait({signal.SIGCHLD}, job["seconds"]):
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    signal.sigtimedwait({signal.SIGCHLD}, 0)  # the next job's wait is for its own child
    return {"status": os.waitstatus_to_exitcode(status), "took": time.monotonic() - began}


def in_child(job: dict) -> None:
    status = 99
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        os.chdir(job["folder"])
        said = os.open(job["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        trace = os.open(job["trace"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        below = job.get("below", job["folder"]).rstrip("/").encode() + b"/"
        ctypes.CDLL(None).fault_arm(below, job.get("nth", 0), job.get("action", 0), job.get("code", 0), trace)
        status = do(job)
        sys.stdout.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def do(job: dict) -> int:
    if "argv" in job:
        return zfpipe.__main__.main(job["argv"])
    module, name = job["call"].split(":")
    sys.path.insert(0, os.path.dirname(__file__))
    try:
        getattr(importlib.import_module(module), name)(*job.get("arguments", ()))
    except zfpipe.__main__.UserError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    serve()
