"""The n-th system call that changes a file fails, n = 1, 2, ... until all went well: what stands at the final path is
the old file whole or the new one whole, the message names the file and the cause, and nothing temporary stays."""

import contextlib
import errno
import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from runner import FAIL_FROM, FAIL_ONCE, SHORT_WRITE, Runner
from writers import WRITERS

CAUSES = (errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EIO, errno.EROFS)
OLD, NEW = 1, 2


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class Bench:
    """A folder with the old version of one kind of file in it, where the new one is to be written."""

    def __init__(self, runner: Runner, kind: str, folder: Path):
        self.runner, self.kind, self.folder = runner, kind, folder / "results"
        self.path = self.folder / WRITERS[kind][1]
        self.versions = {}
        for version in (NEW, OLD):
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir()
            assert self.write(version).status == 0
            self.versions[version] = contents(self.folder)
        assert self.versions[OLD] != self.versions[NEW]

    def write(self, version: int = NEW, **fault):
        arguments = [self.kind, str(self.path), version]
        return self.runner.run(self.folder, call="writers:write", arguments=arguments, **fault)

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        for name, data in self.versions[OLD].items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def require_whole(self, done, causes: tuple[int, ...]) -> None:
        """Every file is the old one or the new one whole, and a failure is told in one sentence."""
        found = contents(self.folder)
        assert found.keys() == self.versions[OLD].keys(), done.operations  # nothing lost, nothing temporary
        for name, data in found.items():
            assert data in (self.versions[OLD][name], self.versions[NEW][name]), (name, done.operations)
        if self.kind == "folder":
            assert found in (self.versions[OLD], self.versions[NEW])
        if done.status == 0:
            assert found == self.versions[NEW]
            return
        assert done.status == 1, done.said
        (sentence,) = done.said.splitlines()
        assert any(sentence.endswith(f": {os.strerror(cause)}.") for cause in causes), sentence
        assert sentence.startswith("Cannot write ")
        assert any(str(self.folder / name) in sentence for name in found) or str(self.path) in sentence, sentence


@pytest.fixture(params=WRITERS)
def bench(request, runner, tmp_path):
    return Bench(runner, request.param, tmp_path)


@pytest.mark.parametrize("action", [FAIL_ONCE, FAIL_FROM])
def test_whichever_call_fails_the_old_file_or_the_new_one_is_there_whole(bench, action):
    failed = 0
    for nth, cause in zip(itertools.count(1), itertools.cycle(CAUSES)):
        bench.restore()
        done = bench.write(nth=nth, action=action, code=cause)
        bench.require_whole(done, (cause,))
        failed += done.status
        if len(done.operations) < nth:  # so many calls were not made: nothing failed
            break
    assert done.status == 0
    assert failed >= 5  # open, write, chmod, fsync, rename


@pytest.mark.slow
@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("action", [FAIL_ONCE, FAIL_FROM])
def test_whichever_call_fails_for_whichever_cause(bench, action, cause):
    for nth in itertools.count(1):
        bench.restore()
        done = bench.write(nth=nth, action=action, code=cause)
        bench.require_whole(done, (cause,))
        if len(done.operations) < nth:
            return


def test_a_write_that_takes_a_part_of_the_bytes_is_gone_on_with(bench):
    for nth in itertools.count(1):
        bench.restore()
        done = bench.write(nth=nth, action=SHORT_WRITE)
        assert done.status == 0, done.said
        assert contents(bench.folder) == bench.versions[NEW]
        if len(done.operations) < nth:
            return


@contextlib.contextmanager
def disk(folder: Path, kilobytes: int):
    """Mount a small disk of its own at a folder."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NO REAL DISK WAS FILLED: {done.stderr.strip() or 'mount failed'} (this needs root)")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_disk_that_fills_up_at_any_place(runner, tmp_path):
    for kind in ("packed", "reconstruction", "model", "manifest", "folder"):
        with disk(tmp_path / "disk", 400):
            bench = Bench(runner, kind, tmp_path / "disk")
            for room in itertools.count(0, 4096):
                bench.restore()
                filler = tmp_path / "disk" / "filler"
                filler.write_bytes(bytes(1 + max(0, shutil.disk_usage(filler.parent).free - room - 4096)))
                done = bench.write()
                filler.unlink()
                if kind == "packed" and "are free there" in done.said:  # told before it began
                    continue
                bench.require_whole(done, (errno.ENOSPC,))
                if done.status == 0:
                    break
            assert room > 0


def test_a_folder_that_can_only_be_read(runner, tmp_path):
    with disk(tmp_path / "disk", 400):
        bench = Bench(runner, "topk", tmp_path / "disk")
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        done = bench.write()
        assert done.status == 1
        bench.require_whole(done, (errno.EROFS,))
