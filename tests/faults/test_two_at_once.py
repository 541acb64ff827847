"""Two that want the same: one works, the other waits or refuses and says the way out; an old lock stops nobody."""

import subprocess
import sys

import pytest
from small_run import leftovers, prepare, take_away
from workflow_kills import job_of, plain, start, wait_for

from zfpipe.files.whole import write_text
from zfpipe.nets.state import State

REPORT = "results/data/small/check/report.html"


def test_a_second_workflow_in_one_folder_refuses_and_the_first_ends_well(tmp_path):
    prepare(tmp_path)
    first = start(tmp_path, "--cores", "1", REPORT)
    job = wait_for(lambda: job_of(first, "check"), first)
    job.suspend()
    said = plain(tmp_path, "--cores", "1", REPORT, status=1)
    assert "no other Snakemake process" in said
    assert "--unlock" in said
    job.resume()
    assert first.wait(300) == 0, (tmp_path / "killed.txt").read_text()
    assert (tmp_path / REPORT).is_file()
    assert leftovers(tmp_path) == []
    assert "Nothing to be done" in plain(tmp_path, "--cores", "1", REPORT)


@pytest.fixture
def training(stages):
    """The command that trains, and the folder of its state, where its epochs stand already."""
    (command,) = (command for command in stages.commands if command.stage == "train")
    (folder,) = (stages.work / command.state).iterdir()
    yield command, folder
    (folder / "writer.txt").unlink(missing_ok=True)


def test_a_second_training_waits_and_then_refuses_with_the_first_ones_name(stages, training):
    command, folder = training
    with State(folder.parent, folder.name).locked(0):
        done = stages.runner.run(stages.work, argv=[*command.argv, "--lock-timeout", "0.3"])
    assert done.status == 1
    waits, refuses = done.said.splitlines()[-2:]
    holder = (folder / "writer.txt").read_text()
    assert waits == f"{holder} is training the same network; waiting up to 0.3 s for it to end."
    assert refuses.startswith(f"zfpipe train: error: {holder} still holds the lock ")
    assert refuses.endswith("let it finish or end it and run again (the lock goes with its process).")


def test_a_lock_that_a_dead_process_left_stops_nobody(stages, training):
    command, folder = training
    (folder / "lock").write_text("")
    (folder / "writer.txt").write_text("Process 4194304 on another-machine")
    take_away(stages.work, command)
    done = stages.runner.run(stages.work, argv=[*command.argv, "--lock-timeout", "0"])
    assert done.status == 0, done.said
    assert "is training the same network" not in done.said
    assert stages.differences(done) == []


WRITE = """
import sys
from zfpipe.files.whole import write_text
print("ready", flush=True)
for turn in range(400):
    write_text(sys.argv[1], sys.argv[2] * 50_000)
"""


def test_two_writers_of_one_file_leave_one_of_the_two_whole_at_every_moment(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "a" * 50_000)
    command = [sys.executable, "-c", WRITE, str(path)]
    writers = [subprocess.Popen([*command, letter], stdout=subprocess.PIPE) for letter in "ab"]
    for writer in writers:
        assert writer.stdout.readline() == b"ready\n"
    seen = set()
    while any(writer.poll() is None for writer in writers):
        seen.add(path.read_text())
    assert seen <= {"a" * 50_000, "b" * 50_000}
    assert [writer.wait() for writer in writers] == [0, 0]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]
