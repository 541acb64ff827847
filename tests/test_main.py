"""The command line: help, exit statuses, and mistakes that end in one line."""

import argparse
import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import zfpipe
from zfpipe.__main__ import PICTURES, STAGES, main
from zfpipe.errors import UserError

FILES = [path.stem for path in (Path(zfpipe.__file__).parent / "stages").glob("*.py") if path.stem != "__init__"]
MERGE = ["merge", "--shards", "a.h5", "--out", "b.h5"]


def test_every_stage_is_listed():
    assert set(STAGES) == set(FILES)


@pytest.mark.parametrize("argv", [[], ["--help"], ["-h"]])
def test_help_lists_every_stage_with_a_line(argv, capsys):
    try:
        status = main(argv)
    except SystemExit as end:
        status = end.code
    assert status == 0
    out = capsys.readouterr().out
    for stage, line in STAGES.items():
        assert f"  {stage}" in out
        assert line in out
    assert "zfpipe STAGE --help" in out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from zfpipe.__main__ import main; main([]);"
        "print(sorted(set(sys.modules) & {'torch', 'numpy', 'h5py', 'matplotlib', 'PIL', 'pandas'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"zfpipe {zfpipe.__version__}\n"


@pytest.mark.parametrize("stage", FILES)
def test_each_stage_says_what_it_does_and_describes_every_option(stage, capsys):
    module = importlib.import_module(f"zfpipe.stages.{stage}")
    assert callable(module.add_arguments)
    assert callable(module.run)
    with pytest.raises(SystemExit) as end:
        main([stage, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: zfpipe {stage}" in out
    assert module.__doc__.splitlines()[0] in out
    assert "(default: None)" not in out
    assert "==SUPPRESS==" not in out


@pytest.mark.parametrize("stage", FILES)
def test_no_option_is_without_help(stage):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"zfpipe.stages.{stage}").add_arguments(parser)
    for action in parser._actions:
        assert action.help, action.dest


@pytest.mark.parametrize(("word", "near"), [("mien", "mine"), ("recontruct", "reconstruct"), ("figures", "figure")])
def test_an_unknown_stage_comes_with_the_nearest(word, near, capsys):
    assert main([word]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"there is no stage {word!r} (did you mean {near!r}?)" in err
    assert all(stage in err for stage in STAGES)


@pytest.mark.parametrize("argv", [["--bogus"], [*MERGE, "--bogus", "1"], ["merge"], [*MERGE[:3], "--ou", "b.h5"]])
def test_wrong_options_end_with_status_2(argv, capsys):
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    assert "usage: zfpipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (UserError("the k is 0; it must be 1 or more."), 1, "the k is 0; it must be 1 or more."),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.h5"), 1, "No such file or directory: a.h5"),
        (PermissionError(errno.EACCES, "Permission denied", "b.h5"), 1, "Permission denied: b.h5"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_mistakes_and_the_machines_troubles_end_in_one_line(error, status, words, capsys, monkeypatch):
    def run(arguments):
        raise error

    monkeypatch.setattr("zfpipe.stages.merge.run", run)
    assert main(MERGE) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("zfpipe merge: error: ")
    assert words in err
    assert err.count("\n") == 1


def test_an_interruption_while_a_stage_is_imported_ends_in_one_line(capsys, monkeypatch):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    assert main(MERGE) == 130
    assert capsys.readouterr().err == "zfpipe merge: error: interrupted; nothing half-written was left.\n"


def test_our_own_bugs_are_not_hidden(monkeypatch):
    def run(arguments):
        raise ZeroDivisionError

    monkeypatch.setattr("zfpipe.stages.merge.run", run)
    with pytest.raises(ZeroDivisionError):
        main(MERGE)


def test_the_installed_command_gives_the_status_on(tmp_path):
    command = [sys.executable, "-m", "zfpipe", *MERGE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("zfpipe merge: error: ")
    assert "a.h5" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch has GNU's OpenMP on Linux alone")
@pytest.mark.parametrize(("own", "told"), [({}, "'10000'"), ({"GOMP_SPINCOUNT": "7"}, "'7'")])
def test_threads_that_wait_sleep_soon_unless_a_user_has_said_otherwise(own, told):
    others = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment = others | {"OMP_DISPLAY_ENV": "VERBOSE"} | own
    done = subprocess.run(
        [sys.executable, "-m", "zfpipe", "layers", "zfnet"], env=environment, capture_output=True, text=True
    )
    assert f"GOMP_SPINCOUNT = {told}" in done.stderr


@pytest.mark.parametrize("stage", ["mine", "reconstruct", "figure", "evaluate", "train"])
def test_a_stage_starts_without_torchvision(stage):
    """It brings in PyTorch's compiler, seconds of each job."""
    asked = f"import sys, zfpipe.stages.{stage}; print('torchvision' in sys.modules, 'torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["view", "--layer", "a", "--out", "x.jpeg"], "x.jpeg would be a PNG, which the ending .jpeg denies"),
        (["figure", "--reconstruction", "a", "--out-png", "x.pdf"], "x.pdf would be a PNG"),
        (["figure", "--reconstruction", "a", "--out-pdf", "x.png"], "x.png would be a PDF"),
    ],
)
def test_a_picture_is_not_written_under_the_name_of_another_kind(words, sentence, capsys):
    assert main([*words, *(["--model", "a", "--image", "a"] if words[0] == "view" else [])]) == 1
    assert sentence in capsys.readouterr().err


def test_a_picture_may_have_any_name_that_denies_nothing(capsys):
    for name in ("x.png", "x.PNG", "x"):
        assert main(["figure", "--reconstruction", "nowhere.h5", "--out-png", name]) == 1
        assert "would be" not in capsys.readouterr().err


@pytest.mark.parametrize("stage", FILES)
def test_every_picture_of_a_stage_is_asked_for_its_ending(stage):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"zfpipe.stages.{stage}").add_arguments(parser)
    for action in parser._actions:
        picture = any(kind in f"{action.metavar} {action.dest}".lower() for kind in ("png", "pdf"))
        assert not (picture and action.option_strings[0].startswith("--out")) or action.dest in PICTURES
