"""Each thing that can be wrong with a folder is found by its name, and its bad files stay out when they should."""

import json
import os

import pytest
from image_examples import folder, noise, plain, png, save, truncated_jpeg
from PIL import Image

from zfpipe.data.checks import gather, look, look_at_all
from zfpipe.data.findings import KINDS, Policy, parse_policy, stopping_message
from zfpipe.data.folder import Listed, list_folder
from zfpipe.data.report import as_html, as_json, facts_for_report
from zfpipe.errors import UserError


def checked(root, severity=(), leave_out=(), min_size=1, val_fraction=0.3, threads=2, thresholds=()):
    listing = list_folder(root)
    facts = list(look_at_all(root, listing.files, min_size, threads))
    return gather(listing, facts, parse_policy(severity, leave_out, thresholds), val_fraction)


def found(outcome):
    return {name: [entry.files for entry in entries] for name, entries in outcome.findings.items()}


def paths(outcome):
    return [row.path for row in outcome.rows]


def test_a_plain_folder_has_nothing_to_find(tmp_path):
    outcome = checked(plain(tmp_path))
    assert found(outcome) == {}
    assert len(outcome.rows) == 8


def make_not_an_image(path):
    path.write_text("I am text")


def make_unreadable(path):
    os.symlink(path.parent / "nowhere", path)


def make_bomb(path):
    png(path, 60_000, 60_000, 8, 2, b"\0")


def make_unsupported(path):
    save(Image.new("F", (40, 40), 0.5), path, format="TIFF")


UNUSABLE = {
    "truncated": ("bad.jpg", truncated_jpeg),
    "not-an-image": ("bad.png", make_not_an_image),
    "unreadable": ("bad.png", make_unreadable),
    "decompression-bomb": ("bad.png", make_bomb),
    "unsupported-mode": ("bad.tif", make_unsupported),
    "stray-file": ("notes.txt", make_not_an_image),
}


@pytest.mark.parametrize("name", UNUSABLE)
@pytest.mark.parametrize("severity", ["default", "error", "warning", "ignore"])
def test_an_unusable_file_is_named_and_never_used(tmp_path, name, severity):
    file, make = UNUSABLE[name]
    make(plain(tmp_path) / "train/a" / file)
    settings = [] if severity == "default" else [f"{name}={severity}"]
    outcome = checked(tmp_path, settings)
    assert found(outcome) == {name: [(f"train/a/{file}",)]}
    assert len(outcome.rows) == 8
    message = stopping_message("root", outcome.findings, parse_policy(settings, []), "report.html")
    stops = KINDS[name].severity == "error" if severity == "default" else severity == "error"
    assert bool(message) == stops
    if stops:
        assert f"{name}: train/a/{file}" in message


def test_a_png_with_a_wrong_checksum_is_damaged(tmp_path):
    path = plain(tmp_path) / "train/a/0.png"
    data = bytearray(path.read_bytes())
    data[data.index(b"IEND") - 6] ^= 1  # in the checksum of the last part of the pixels
    path.write_bytes(data)
    assert found(checked(tmp_path)) == {"truncated": [("train/a/0.png",)]}


TURNED = Image.Exif()
TURNED[0x0112] = 6
CONVERTED = {
    "greyscale": (lambda: noise(50).convert("L"), "c.png", {}),
    "cmyk": (lambda: noise(50).convert("CMYK"), "c.jpg", {}),
    "palette": (lambda: noise(50).quantize(8), "c.png", {}),
    "alpha": (lambda: noise(50).convert("RGBA"), "c.png", {}),
    "sixteen-bit": (lambda: Image.new("I;16", (40, 40), 999), "c.png", {}),
    "other-colour-space": (lambda: noise(50).convert("LAB"), "c.tif", {}),
    "exif-rotation": (lambda: noise(50), "c.jpg", {"exif": TURNED}),
    "animated": (lambda: noise(50), "c.png", {"save_all": True, "append_images": [noise(51)]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVERTED)
def test_a_converted_image_is_reported_with_its_conversion_and_used_unless_left_out(tmp_path, name):
    make, file, options = CONVERTED[name]
    save(make(), plain(tmp_path) / "val/b" / file, **options)
    outcome = checked(tmp_path)
    assert found(outcome)[name] == [(f"val/b/{file}",)]
    assert f"val/b/{file}" in paths(outcome)
    listing, policy = list_folder(tmp_path), Policy()
    facts = facts_for_report("set", listing, outcome, policy)
    reported = next(finding for finding in facts["findings"] if finding["name"] == name)
    assert reported["severity"] == "warning"
    assert reported["conversion"]
    assert reported["conversion"].replace("'", "&#39;") in as_html(facts)
    outcome = checked(tmp_path, leave_out=[name])
    assert f"val/b/{file}" not in paths(outcome)
    assert len(outcome.rows) == 8


def test_small_images_are_measured_upright_by_their_shorter_side(tmp_path):
    assert found(checked(plain(tmp_path), min_size=40)) == {}
    outcome = checked(tmp_path, min_size=41)
    assert len(outcome.findings["too-small"]) == 8
    assert outcome.findings["too-small"][0].detail == "50 x 40 pixels, less than 41"


def test_copies_inside_a_class_keep_the_first(tmp_path):
    folder(plain(tmp_path), {"train/a/z.png": 0, "train/a/zz.png": 0})
    assert found(checked(tmp_path)) == {"duplicate": [("train/a/0.png", "train/a/z.png", "train/a/zz.png")]}
    assert "train/a/z.png" in paths(checked(tmp_path))
    left = paths(checked(tmp_path, leave_out=["duplicate"]))
    assert "train/a/0.png" in left
    assert len(left) == 8


def test_copies_are_found_by_their_pixels_whatever_the_file_format(tmp_path):
    save(noise(0), plain(tmp_path) / "train/a/z.bmp")
    assert found(checked(tmp_path)) == {"duplicate": [("train/a/0.png", "train/a/z.bmp")]}


def test_equal_bytes_of_another_shape_are_no_copies(tmp_path):
    for name, size in (("wide", (60, 40)), ("high", (40, 60))):
        save(Image.new("RGB", size, "red"), plain(tmp_path) / f"train/a/{name}.png")
    assert set(found(checked(tmp_path))) == {"near-blank"}


def test_a_label_conflict_leaves_out_every_copy(tmp_path):
    folder(plain(tmp_path), {"train/b/z.png": 0})
    assert found(checked(tmp_path)) == {"label-conflict": [("train/a/0.png", "train/b/z.png")]}
    left = paths(checked(tmp_path, leave_out=["label-conflict"]))
    assert not {"train/a/0.png", "train/b/z.png"} & set(left)


def test_leakage_leaves_out_the_train_copies(tmp_path):
    folder(plain(tmp_path), {"val/a/z.png": 0})
    assert found(checked(tmp_path)) == {"leakage": [("train/a/0.png", "val/a/z.png")]}
    left = paths(checked(tmp_path, leave_out=["leakage"]))
    assert "val/a/z.png" in left
    assert "train/a/0.png" not in left


def test_a_copy_of_another_class_on_the_other_side_is_both(tmp_path):
    folder(plain(tmp_path), {"val/b/z.png": 0})
    copies = [("train/a/0.png", "val/b/z.png")]
    assert found(checked(tmp_path)) == {"label-conflict": copies, "leakage": copies}


def test_an_empty_class_is_found_also_when_all_its_files_are_bad(tmp_path):
    plain(tmp_path)
    (tmp_path / "train/c").mkdir()
    truncated_jpeg(tmp_path / "val/d/0.jpg")
    outcome = checked(tmp_path)
    assert found(outcome)["empty-class"] == [("train/c/",), ("val/d/",)]
    assert {row.class_name for row in outcome.rows} == {"a", "b"}


def test_a_class_on_one_side_only(tmp_path):
    folder(plain(tmp_path), {"train/c/0.png": 50, "val/d/0.png": 51})
    assert found(checked(tmp_path)) == {"class-only-in-val": [("d/",)], "class-only-in-train": [("c/",)]}
    left = checked(tmp_path, leave_out=["class-only-in-val", "class-only-in-train"])
    assert {row.class_name for row in left.rows} == {"a", "b"}


def test_a_folder_without_train_is_usable_with_given_weights(tmp_path):
    folder(tmp_path, {"val/a/0.png": 0})
    outcome = checked(tmp_path)
    assert found(outcome) == {"no-train": [("train/",)]}
    assert paths(outcome) == ["val/a/0.png"]


def test_zfpipe_splits_a_folder_that_has_no_split_and_keeps_copies_together(tmp_path):
    folder(tmp_path, {f"{name}/{i}.png": 100 * ord(name) + i for name in "abc" for i in range(10)})
    folder(tmp_path, {f"a/copy{i}.png": 100 * ord("a") + i for i in range(10)})
    outcome = checked(tmp_path)
    assert set(found(outcome)) == {"duplicate"}
    side = {row.path: row.split for row in outcome.rows}
    for i in range(10):
        assert side[f"a/{i}.png"] == side[f"a/copy{i}.png"]
    for name in "bc":
        assert 2 <= sum(split == "val" for path, split in side.items() if path[0] == name) <= 4
    folder(tmp_path, {"b/new.png": 1, "d/new.png": 2, "d/other.png": 3})
    after = {row.path: row.split for row in checked(tmp_path).rows}
    assert side.items() <= after.items()


def test_a_name_that_is_no_utf8_is_a_finding_and_not_a_crash(tmp_path):
    plain(tmp_path)
    name = os.fsdecode(b"caf\xe9.png")
    save(noise(50), tmp_path / "train/a" / name, format="PNG")
    outcome = checked(tmp_path)
    assert found(outcome) == {"name-not-utf8": [(f"train/a/{name}",)]}
    assert r"caf\xe9.png" in stopping_message("root", outcome.findings, Policy(), "r")
    facts = facts_for_report("set", list_folder(tmp_path), outcome, Policy())
    as_html(facts).encode()
    assert os.fsencode(json.loads(as_json(facts))["findings"][0]["cases"][0]["files"][0]) == b"train/a/caf\xe9.png"


def test_any_number_of_threads_gives_one_answer(tmp_path):
    folder(plain(tmp_path, each=5), {"train/a/z.png": 0})
    truncated_jpeg(tmp_path / "val/b/z.jpg")
    one, four = checked(tmp_path, threads=1), checked(tmp_path, threads=4)
    assert one == four
    assert list(one.findings) == list(four.findings)


def test_look_says_what_a_file_is(tmp_path):
    save(noise(1), tmp_path / "a.jpg")
    facts = look(tmp_path, Listed("a.jpg", "a", None))
    assert (facts.size, facts.format, facts.mode, facts.findings) == ((50, 40), "JPEG", "RGB", {})


@pytest.mark.parametrize(
    ("severity", "leave_out", "message"),
    [
        (["trunkated=error"], [], "'trunkated' .did you mean 'truncated'?"),
        (["truncated=fatal"], [], "'fatal'.*error, warning, ignore"),
        (["truncated=warn"], [], "'warn' .did you mean 'warning'?"),
        (["truncated"], [], "NAME=error"),
        ([], ["leakages"], "'leakages' .did you mean 'leakage'?"),
    ],
)
def test_an_unknown_name_or_severity_gives_the_nearest(severity, leave_out, message):
    with pytest.raises(UserError, match=message):
        parse_policy(severity, leave_out)


def test_left_out_findings_stop_nothing(tmp_path):
    folder(plain(tmp_path), {"val/a/z.png": 0})
    outcome = checked(tmp_path, leave_out=["leakage"])
    assert found(outcome)["leakage"]
    assert stopping_message("root", outcome.findings, parse_policy([], ["leakage"]), "r") == ""


def test_the_message_lists_the_first_files_and_counts_the_rest(tmp_path):
    plain(tmp_path)
    for number in range(9):
        truncated_jpeg(tmp_path / f"train/a/bad{number}.jpg")
    message = stopping_message("root", checked(tmp_path).findings, Policy(), "r.html")
    assert "train/a/bad4.jpg" in message
    assert "train/a/bad5.jpg" not in message
    assert "and 4 more" in message
    assert "\n" not in message


def test_the_report_escapes_names_and_needs_nothing_else(tmp_path):
    evil = "<script>alert(\"1\")<script> & 'quoted'\nsecond line.png"
    save(noise(50).convert("L"), plain(tmp_path) / "train/a" / evil)
    save(noise(51), tmp_path / "train/<b>bold/0.png")
    outcome = checked(tmp_path)
    facts = facts_for_report("<i>set</i>", list_folder(tmp_path), outcome, Policy())
    page = as_html(facts)
    for markup in ("<script", "<b>", "<i>", "http:", "https:", "url("):
        assert markup not in page
    assert "&lt;script&gt;" in page
    assert r"\nsecond line.png" in page
    assert "&lt;b&gt;bold" in page
    for finding in outcome.findings:
        assert f'id="{finding}"' in page
    assert {key: value for key, value in json.loads(as_json(facts)).items() if key != "sha256"} == facts
    assert facts["splits"]["train"]["images"] == 6
    assert facts["classes"][0] == {"name": "<b>bold", "train": 1, "val": 0}


def test_a_long_list_is_cut_on_the_page_and_whole_in_the_json(tmp_path, monkeypatch):
    monkeypatch.setattr("zfpipe.data.report.MOST_SHOWN", 3)
    outcome = checked(plain(tmp_path), min_size=99)
    facts = facts_for_report("set", list_folder(tmp_path), outcome, Policy())
    assert "and 5 more, all listed in the JSON report" in as_html(facts)
    assert as_json(facts).count("less than 99") == 8


def test_one_class_is_nothing_to_tell_apart(tmp_path):
    folder(tmp_path, {"train/a/0.png": 0, "train/a/1.png": 1, "val/a/2.png": 2})
    assert found(checked(tmp_path))["one-class"] == [("a/",)]
