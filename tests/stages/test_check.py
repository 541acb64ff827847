"""`zfpipe check`: its files, its exit status, its one sentence."""

import json

import numpy as np
import pytest
from PIL import Image

from zfpipe.__main__ import main
from zfpipe.data.findings import KINDS
from zfpipe.data.manifest import read_manifest


@pytest.fixture
def root(tmp_path):
    generator = np.random.default_rng(0)
    for name in ("train/a", "train/b", "val/a", "val/b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.fromarray(generator.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(
            tmp_path / "images" / name / "0.png"
        )
    return tmp_path / "images"


def check(root, *options):
    out = root.parent / "out"
    files = [f"--out-manifest={out}/manifest.csv", f"--out-html={out}/report.html", f"--out-json={out}/report.json"]
    return main(["check", f"--root={root}", *files, *options])


def written(root):
    out = root.parent / "out"
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


def test_a_good_folder_gives_manifest_and_report(root, capsys):
    assert check(root) == 0
    assert written(root) == ["manifest.csv", "report.html", "report.json"]
    assert len(read_manifest(root.parent / "out/manifest.csv")) == 4
    assert "2 classes, 2 train, 2 val; no findings" in capsys.readouterr().err


def test_the_same_folder_gives_the_same_bytes_wherever_it_stands(root):
    assert check(root) == 0
    before = {path.name: path.read_bytes() for path in (root.parent / "out").iterdir()}
    root.rename(root.parent / "moved")
    (root.parent / "moved").rename(root)
    assert check(root, "--threads=3") == 0
    assert before == {path.name: path.read_bytes() for path in (root.parent / "out").iterdir()}
    assert not any(str(root.parent).encode() in content for content in before.values())


def test_an_error_stops_with_one_sentence_a_report_and_no_manifest(root, capsys):
    assert check(root) == 0
    (root / "train/a/bad.jpg").write_bytes(b"text")
    (root / "val/b/copy.png").write_bytes((root / "train/a/0.png").read_bytes())
    capsys.readouterr()
    assert check(root) == 1
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.startswith(f"zfpipe check: error: {root} cannot be used as it is: not-an-image: train/a/bad.jpg")
    assert "leakage: train/a/0.png = val/b/copy.png" in message
    assert written(root) == ["report.html", "report.json"]  # and the older manifest is gone
    report = json.loads((root.parent / "out/report.json").read_text())
    assert report["stops"] is True
    assert "no manifest was written" in (root.parent / "out/report.html").read_text()


def test_severities_and_leaving_out(root):
    (root / "train/a/bad.jpg").write_bytes(b"text")
    (root / "val/a/copy.png").write_bytes((root / "train/a/0.png").read_bytes())
    (root / "train/a/0 copy.png").write_bytes((root / "train/a/0.png").read_bytes())
    assert check(root, "--severity", "not-an-image=warning", "--leave-out", "leakage") == 1  # class a has no train left
    assert check(root, "--severity", "not-an-image=ignore", "--severity", "leakage=warning") == 0
    assert len(read_manifest(root.parent / "out/manifest.csv")) == 6
    assert check(root, "--severity", "not-an-image=ignore", "leakage=warning", "duplicate=error") == 1
    assert check(root, "--leave-out", "not-an-image", "--severity", "leakage=warning", "--leave-out", "duplicate") == 0
    assert [row.path for row in read_manifest(root.parent / "out/manifest.csv", "train")] == [
        "train/a/0 copy.png",
        "train/b/0.png",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--severity", "leakag=warning"], "did you mean 'leakage'"),
        (["--leave-out", "truncate"], "did you mean 'truncated'"),
        (["--val-fraction", "1.5"], "--val-fraction is 1.5; it must lie between 0 and 1"),
        (["--threads", "0"], "--threads is 0"),
        (["--threshold", "blured=3"], "did you mean 'blurred'"),
        (["--threshold", "near-duplicate=17"], "near-duplicate takes a whole number from 0 to 16; the default is 4"),
        (["--threshold", "blurred=much"], "blurred takes a number of 0 or more; the default is 10"),
        (["--min-size", "31"], "too-small: train/a/0.png (40 x 30 pixels, less than 31)"),
    ],
)
def test_a_mistake_ends_in_one_sentence(root, capsys, options, message):
    assert check(root, *options) == 1
    output = capsys.readouterr().err
    assert message in output
    assert "Traceback" not in output
    assert "manifest.csv" not in written(root)


def test_a_missing_folder_and_an_empty_class(root, capsys):
    assert check(root.parent / "nowhere") == 1
    assert "There is no folder" in capsys.readouterr().err
    (root / "val/b/0.png").unlink()
    assert check(root) == 1
    assert "empty-class: val/b/" in capsys.readouterr().err


def test_no_image_for_val_is_refused(root, capsys):
    (root / "val/a/0.png").unlink()
    (root / "val/b/0.png").unlink()
    assert check(root, "--severity", "empty-class=ignore") == 1
    assert "has no usable image for val" in capsys.readouterr().err
    assert written(root) == ["report.html", "report.json"]
    assert "No image is left for val; no manifest was written" in (root.parent / "out/report.html").read_text()


def test_every_finding_stands_in_the_help_with_its_severity(capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    text = capsys.readouterr().out
    for name, kind in KINDS.items():
        limit = "" if kind.threshold is None else f"{kind.threshold:g}"
        assert f"{name:<20} {kind.severity:<9} {limit}".rstrip() in text


def test_a_table_and_an_exclusion_list(root, capsys):
    table = root.parent / "labels.csv"
    lines = [f"{split}/{name}/0.png,{name},{split}" for split in ("train", "val") for name in "ab"]
    table.write_text("\n".join(["path,label,split", *lines, "train/b/gone.png,b,train"]))
    assert check(root, "--source=csv", f"--file={table}") == 1
    assert "unreadable: train/b/gone.png (No such file or directory)" in capsys.readouterr().err
    bad = root.parent / "bad.csv"
    bad.write_text("path\ntrain/b/gone.png\n")
    assert check(root, "--source=csv", f"--file={table}", f"--exclude={bad}") == 0
    assert f"2 train, 2 val; no findings, 1 excluded by {bad}" in capsys.readouterr().err
    assert {row.class_name for row in read_manifest(root.parent / "out/manifest.csv")} == {"a", "b"}
    assert check(root, f"--exclude={bad}") == 1
    assert "names files that are not in the data set: train/b/gone.png" in capsys.readouterr().err
    assert check(root, "--source=csv") == 1
    assert "needs --file" in capsys.readouterr().err


def test_the_report_says_where_a_tables_files_belong_and_what_was_excluded(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, seed in {"a": 0, "b": 0, "c": 1, "d": 2, "e": 3}.items():
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"{name}.png")
    lines = ["a.png,cat,train", "b.png,dog,val", "c.png,dog,train", "d.png,cat,val", "e.png,cat,val"]
    (tmp_path / "t.csv").write_text("\n".join(["path,label,split", *lines]))
    (tmp_path / "x.csv").write_text("path\ne.png\n")
    words = ["check", "--source", "csv", "--root", ".", "--file", "t.csv", "--exclude", "x.csv", "--name", "birds"]
    words += ["--out-manifest", "m.csv", "--out-html", "r.html", "--out-json", "r.json"]
    assert main(words) == 1
    assert "t.csv, without the 1 files of x.csv, cannot be used as it is: label-conflict" in capsys.readouterr().err
    page, facts = (tmp_path / "r.html").read_text(), json.loads((tmp_path / "r.json").read_text())
    assert "Check of birds" in page
    assert "1 files excluded by x.csv" in page
    assert "cat, train" in page
    assert facts["where"] == {"a.png": "cat, train", "b.png": "dog, val"} | facts["where"]
    severities = [finding["severity"] for finding in facts["findings"]]
    assert severities == sorted(severities, key=["error", "left out", "warning", "ignore"].index)
