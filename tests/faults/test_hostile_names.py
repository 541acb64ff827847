"""Names that mean harm go through the rules, the shell, the logs and the pages as mere text; a loop of links ends."""

import html
import os
from pathlib import Path

import pytest
import yaml
from small_run import CONFIG, prepare
from workflow_kills import plain

from zfpipe.__main__ import main
from zfpipe.data.manifest import read_manifest

ROOT = "im 'ages\"; touch pwned; $(touch pwned) `touch pwned` & {dataset} *"
CLASS = "<script>alert(1)</script>"  # also a name with a slash in it: a folder within a folder
IMAGE = "a\nb \"'; touch pwned; $(touch pwned) <img src=x onerror=alert(2)>, é.png"
CONTROL = "bell\a \x1b[31mred.png"  # what a terminal would take for a command


@pytest.fixture
def hostile(tmp_path):
    """A small data set under hostile names, and its config."""
    prepare(tmp_path)
    (tmp_path / "images").rename(tmp_path / ROOT)
    for split in ("train", "val"):
        folder = tmp_path / ROOT / split
        (folder / "coffee").rename(folder / CLASS.split("/")[0])
        (folder / "rocket").rename(folder / "$(touch pwned)'\"\n")
    first = sorted((tmp_path / ROOT / "train/astronaut").iterdir())
    first[0].rename(first[0].with_name(IMAGE))
    first[1].with_name(CONTROL).write_bytes(first[1].read_bytes())  # a duplicate: a finding names both
    (tmp_path / ROOT / "train/chelsea" / (IMAGE + "x.png")).write_text("not an image: a finding names it")
    config = yaml.safe_load(CONFIG)
    config["datasets"]["small"]["root"] = ROOT
    config["datasets"]["small"]["check"] = {"severity": {"not-an-image": "warning"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


def test_hostile_names_are_text_for_the_shell_the_logs_and_the_page(hostile):
    said = plain(hostile, "--cores", "1", "results/data/small/pack/55/train.h5")
    assert "pwned" not in os.listdir(hostile)
    rows = read_manifest(hostile / "results/data/small/check/manifest.csv")
    assert f"train/astronaut/{IMAGE}" in [row.path for row in rows]
    page = (hostile / "results/data/small/check/report.html").read_text()
    assert "<script" not in page
    assert "onerror=alert(2)>" not in page
    assert html.escape("<img src=x onerror=alert(2)>", quote=False) in page
    log = (hostile / "results/data/small/log/check.log").read_text()
    assert "\x1b" not in log + page + said
    assert "\a" not in log + page + said


@pytest.fixture
def looped(tmp_path):
    """A data set with links that lead back: to a folder's own folder, around two folders, and to themselves."""
    prepare(tmp_path)
    train = tmp_path / "images/train"
    for number in range(3):
        (train / f"coffee/loop{number}").symlink_to(train)
    (train / "rocket/there").symlink_to(train / "chelsea")
    (train / "chelsea/back").symlink_to(train / "rocket")
    (train / "rocket/itself.png").symlink_to(train / "rocket/itself.png")
    return tmp_path


def test_loops_of_links_end_and_are_told(looped, monkeypatch, capsys):
    assert "check" in plain(looped, "-n")
    monkeypatch.chdir(looped)
    outputs = ["--out-manifest", "m.csv", "--out-html", "r.html", "--out-json", "r.json"]
    assert main(["check", "--root", "images", *outputs]) == 1
    sentence = capsys.readouterr().err.splitlines()[-1]
    assert "train/rocket/itself.png" in Path("r.json").read_text()
    assert "r.html" in sentence


def test_a_list_that_leads_out_of_the_root_is_refused_with_its_line(tmp_path, monkeypatch, capsys):
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("secret.png").write_bytes(Path("images/val/coffee/00.png").read_bytes())
    for path in ("../secret.png", "train/../../secret.png", str(tmp_path / "secret.png")):
        Path("list.csv").write_text(f"path,label\ntrain/coffee/03.png,a\n{path},b\n")
        outputs = ["--out-manifest", "m.csv", "--out-html", "r.html", "--out-json", "r.json"]
        assert main(["check", "--root", "images", "--source", "csv", "--file", "list.csv", *outputs]) == 1
        assert "list.csv, line 3: ../secret.png leads out of images" in capsys.readouterr().err
        assert not Path("m.csv").exists()
