"""What the rules ask a cluster for, as a dry run tells it; tests/slurm sends them to one."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = [
    part for path in ROOT.glob("workflow/rules/*.smk") for part in re.split(r"^(?=rule )", path.read_text(), flags=re.M)
]
RULES = {part.split()[1].rstrip(":"): part for part in RULES if part.startswith("rule ")}
LOCAL = (
    re.search(r"^localrules:\n((?:    \w+,\n)+)", (ROOT / "Snakefile").read_text(), re.M)[1].replace(",", "").split()
)
COMPUTING = {"train", "mine", "reconstruct"}


def asked(place, **settings) -> dict[str, dict[str, str]]:
    """Return the resources of a job of each rule that a dry run of everything shows."""
    place.config |= settings
    said = place.snakemake("-n", "--forceall", "--quiet", "host")
    found = re.findall(r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    resources: (.*)$", said, re.M)
    return {rule: dict(word.split("=", 1) for word in line.split(", ")) for rule, line in found}


def test_every_rule_runs_beside_snakemake_or_says_what_it_needs():
    assert len(RULES) > 8
    for name, text in RULES.items():
        assert (name in LOCAL) != (f'    resources:\n        **needs("{name}"),\n' in text), name


def test_a_gpu_and_its_partition_go_to_the_rules_that_compute(place):
    cluster = {"partition": "day", "account": "lab", "gpu": {"partition": "gpus", "model": "a100"}}
    found = asked(place, device="cuda", cluster=cluster)
    assert {rule for rule in found if "gpu" in found[rule]} == COMPUTING
    assert {found[rule]["slurm_partition"] for rule in COMPUTING} == {"gpus"}
    assert {found[rule]["gpu_model"] for rule in COMPUTING} == {"a100"}
    assert {found[rule]["slurm_partition"] for rule in ("check", "pack")} == {"day"}
    assert {found[rule]["slurm_account"] for rule in (*COMPUTING, "check", "pack")} == {"lab"}
    assert not {"slurm_partition", "gpu"} & set(found["figure"])


def test_gres_stands_in_place_of_a_number_of_gpus(place):
    found = asked(place, device="cuda", cluster={"gpu": {"gres": "gpu:a100:1"}})
    assert found["train"]["gres"] == "gpu:a100:1"
    assert "gpu" not in found["train"]
    assert "gres" not in found["check"]


@pytest.mark.parametrize("gpu", [{}, {"gres": "gpu:a100:1"}], ids=["gpu", "gres"])
def test_a_training_on_several_devices_asks_for_as_many_and_mining_for_one(place, gpu):
    place.config.setdefault("train", {})["devices"] = 3
    found = asked(place, device="cuda", cluster={"gpu": gpu})
    if gpu:
        assert (found["train"]["gres"], found["mine"]["gres"]) == ("gpu:a100:3", "gpu:a100:1")
    else:
        assert (found["train"]["gpu"], found["mine"]["gpu"]) == ("3", "1")
    assert found["train"]["devices"] == "3"


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_nothing_is_asked_for_that_the_config_does_not_name(place, device):
    found = asked(place, device=device, cluster={"mem_mb": {"mine": 900}, "max_runtime": 100})
    named = {name for resources in found.values() for name in resources}
    assert not named & {
        "gpu",
        "gres",
        "gpu_model",
        "slurm_partition",
        "slurm_account",
        "slurm_extra",
        "qos",
        "constraint",
    }
    assert found["mine"]["mem_mb"] == "900"
    assert found["train"]["mem_mb"] == "12000"
    assert found["train"]["runtime"] == "100"
