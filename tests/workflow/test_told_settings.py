"""What the pages are told of a run's settings, as `snakemake -n -p` prints it; nothing is made."""

import copy
import json
import re
import shlex


def told(place, stage, option, target):
    """Return what a stage's command would be given for an option."""
    said = place.snakemake("-n", "-p", "--workflow-profile", "none", target)
    words = shlex.split(re.search(rf"zfpipe {stage} (.*?) 2> >", said).group(1))
    return json.loads(words[words.index(option) + 1])


def test_a_gallery_tells_the_keys_of_its_own_source_alone(begun):
    of_photographs = {"tile", "across", "stride", "labels", "min_contrast"}
    dataset = told(begun, "gallery", "--config", "results/tiny/gallery")["dataset"]
    assert (dataset["name"], dataset["root"]) == ("small", "images")
    assert not of_photographs & set(dataset)
    begun.config["datasets"]["small"] = {"source": "photographs"}
    assert of_photographs <= set(told(begun, "gallery", "--config", "results/tiny/gallery")["dataset"])


def test_the_page_of_all_runs_is_told_the_settings_of_each_but_not_on_how_many_processes_it_ran(begun):
    twin = copy.deepcopy(begun.config["runs"]["tiny"])
    begun.config["runs"]["twin"] = twin | {"train": {"precision": "bf16", "devices": 2}}
    runs = told(begun, "compare", "--settings", "results/compare/compare.html")
    assert [runs[run]["train"]["precision"] for run in ("tiny", "twin")] == ["float32", "bf16"]
    assert runs["tiny"]["model"] == begun.config["runs"]["tiny"]["model"]
    assert not {"devices", "threads", "workers"} & set(runs["twin"]["train"])
