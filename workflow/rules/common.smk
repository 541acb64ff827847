# The checked config, and small helpers for the rules. Nothing here makes a file.
import gc
import json
import os
import re
import shlex
import sys
from hashlib import sha256
from pathlib import Path

from snakemake.logging import logger
from zfpipe.__main__ import STAGES
from zfpipe.data.folder import every_file
from zfpipe.data.published import PUBLISHED
from zfpipe.data.sources import WRITTEN
from zfpipe.data.sizes import pair, size_name
from zfpipe.errors import UserError
from zfpipe.experiment import load, packed_size
from zfpipe.experiment_data import KEYS_OF
from zfpipe.files.code import code_sha256
from zfpipe.files.whole import require_folders

# What is imported stays: while rules are read, Python would look through all of it for garbage again and again.
gc.freeze()

try:
    EXPERIMENT = load(
        config, Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"
    )
    require_folders(
        "results",
        "results/data",
        *(f"results/{name}" for name in EXPERIMENT["runs"]),
        # But for `layers`, which prints, into any file of a user's.
        *(
            f"results/{name}/{stage}"
            for name in EXPERIMENT["runs"]
            for stage in STAGES
            if stage != "layers"
        ),
    )
except UserError as error:  # one sentence; a WorkflowError would add lines of this file
    logger.error(str(error))
    sys.exit(1)

RUNS = EXPERIMENT["runs"]
TRAINED = [run for run in RUNS if RUNS[run]["train"]["epochs"]]
# The config is what says which code may run: a model file alone may not (zfpipe/nets/trust.py).
os.environ.update(
    ZFPIPE_NETWORKS=",".join(sorted({run["model"]["name"] for run in RUNS.values()}))
)
# What defines a training, as options of `zfpipe train`.
TRAINING = (
    "epochs batch_size learning_rate momentum weight_decay schedule patience factor dropout filter_radius "
    "initialisation initial_scale seed crops scale_range rotation brightness colour mean std precision"
).split()

# Sections of a run that decide what its pages show; settings of them that decide nothing; and paths, of which pages tell
# the last part.
TOLD = ("model", "preprocess", "pack", "train", "mine", "reconstruct")
HOW_FAST = ("threads", "devices", "workers")
PLACES = ("root", "file", "exclude", "weights")


wildcard_constraints:
    dataset="[A-Za-z][A-Za-z0-9_-]*",
    run="[A-Za-z][A-Za-z0-9_-]*",
    other="[A-Za-z][A-Za-z0-9_-]*",
    image="[A-Za-z][A-Za-z0-9_-]*",
    layer="[A-Za-z0-9_.]+",
    split="train|val",
    size=r"\d+(x\d+)?",
    shard=r"\d+",
    of=r"\d+",


def code(stage, without=()):
    """Digest of a stage's code: a rule with this parameter runs again when the code changes, not when a comment does."""
    return code_sha256(f"zfpipe.stages.{stage}", without)


def flags(settings, *keys):
    """Turn settings into command-line options, quoted for the shell; only those named. None is left out."""
    words = []
    for key in keys:
        value = settings.get(key)
        if value is not None and value != []:
            values = value if isinstance(value, list) else [value]
            words += [
                f"--{key.replace('_', '-')}",
                *(shlex.quote(str(word)) for word in values),
            ]
    return " ".join(words)


def run_of(wildcards):
    return RUNS[wildcards.run]


def dataset_of(wildcards):
    return EXPERIMENT["datasets"][wildcards.dataset]


def written_images(wildcards):
    """The image folder that a rule writes for a source whose images are in no files; None for the others."""
    stage = WRITTEN.get(dataset_of(wildcards)["source"])
    return stage and f"results/data/{wildcards.dataset}/{stage}"


def image_root(wildcards):
    """The folder that a data set's manifest speaks of."""
    return written_images(wildcards) or dataset_of(wildcards)["root"]


def source_flags(wildcards):
    """How the images stand below the root, as options of `zfpipe check`."""
    dataset = dataset_of(wildcards)
    if written_images(wildcards):
        return flags(dataset, "exclude")
    download = (
        "--download" if dataset["download"] and dataset["source"] in PUBLISHED else ""
    )
    return f"{flags(dataset, 'source', 'file', 'variant', 'exclude')} {download}"


def source_files(wildcards):
    """What a check reads apart from images that stand somewhere already."""
    dataset = dataset_of(wildcards)
    given = [local(dataset[key]) for key in ("file", "exclude") if key in dataset]
    return [path for path in [written_images(wildcards)] if path] + given


def folder_listing(wildcards):
    """Digest of the names and sizes of a folder's files: new, gone and changed images are seen, a mere touch is not."""
    dataset = dataset_of(wildcards)
    if written_images(wildcards) or (
        dataset["download"] and dataset["source"] in PUBLISHED
    ):
        return None  # fetched, a published set has changed nothing
    root = image_root(wildcards)
    listing = sorted(
        f"{os.path.relpath(os.path.dirname(path), root)}/{os.path.basename(path)} {os.lstat(path).st_size}"
        for path in every_file(root)
    )
    return sha256("\n".join(listing).encode("utf-8", "surrogateescape")).hexdigest()


def least_size(wildcards):
    """Side in pixels that every image of a data set should have: the largest input of its runs."""
    return max(
        min(pair(run["model"]["input_size"]))
        for run in RUNS.values()
        if wildcards.dataset in (run["dataset"], run["probe"]["dataset"])
    )


def check_policy(wildcards):
    check = dataset_of(wildcards)["check"]
    severity = [f"{name}={level}" for name, level in check["severity"].items()]
    threshold = [f"{name}={number}" for name, number in check["thresholds"].items()]
    policy = check | {"severity": severity, "threshold": threshold}
    return flags(policy, "severity", "leave_out", "threshold")


def packed_file(run, split, dataset=None):
    """The packed file of a run's split; or of another data set's, at the size that the run needs."""
    size = size_name(packed_size(RUNS[run]))
    return f"results/data/{dataset or RUNS[run]['dataset']}/pack/{size}/{split}.h5"


def packed(split):
    """Input function: the same, for the run of a rule's wildcards."""
    return lambda wildcards: packed_file(wildcards.run, split)


def of_imagenet(run):
    """Whether a run's data set is ImageNet: by its source, or by the name that the config gives it."""
    name = RUNS[run]["dataset"]
    return "imagenet" in (EXPERIMENT["datasets"][name]["source"], name)


def together(wildcards):
    """A run and those whose probabilities are averaged with its own."""
    return [wildcards.run, *run_of(wildcards)["evaluate"]["with"]]


def shards(wildcards):
    of = run_of(wildcards)["mine"]["shards"]
    return [
        f"results/{wildcards.run}/mine/shard-{shard}-of-{of}.h5"
        for shard in range(1, of + 1)
    ]


def reconstructed_units(wildcards):
    """The layer's own units, as an option; none of them named means all."""
    units = run_of(wildcards)["reconstruct"]["units"].get(wildcards.layer)
    return flags({"units": units}, "units")


def shown_units(wildcards):
    figure = run_of(wildcards)["figure"]
    if wildcards.layer in figure["units"]:
        listed = {"select": "list", "units": figure["units"][wildcards.layer]}
        return flags(listed, "select", "units")
    count = figure["count"].get(wildcards.layer, figure["count"].get("default", 16))
    return flags(figure | {"count": count}, "count", "select", "seed")


def named_image(section):
    """Parameter: the image that a section of a run names."""
    return lambda wildcards: run_of(wildcards)[section]["images"][wildcards.image]


def named_file(section):
    """Input function: the same, unless it is one that ships."""

    def file(wildcards):
        image = named_image(section)(wildcards)
        return [] if image.startswith("photographs:") else local(image)

    return file


def named_files(section):
    """Input function: all images that a section of a run names, those that ship left out."""
    return lambda wildcards: [
        local(image)
        for image in run_of(wildcards)[section]["images"].values()
        if not image.startswith("photographs:")
    ]


def labels_of(section):
    """Parameter: the class of each image that a section names; - where the network shall choose."""
    return lambda wildcards: [
        run_of(wildcards)[section]["labels"].get(name, "-")
        for name in run_of(wildcards)[section]["images"]
    ]


def besides(run):
    """All figures that set another run beside this one."""
    other = RUNS[run]["figure"]["beside"]
    return [
        f"results/{run}/figure/{layer}-beside-{other}.{kind}"
        for layer in RUNS[run]["layers"]
        for kind in ("png", "pdf")
        if other
    ]


def told(run):
    """What pages tell of a run's settings: what decides its pictures, without folders and processes of this machine."""
    settings, name = RUNS[run], RUNS[run]["dataset"]
    dataset = EXPERIMENT["datasets"][name]
    sections = {key: settings[key] for key in TOLD if key in settings}
    found = {
        part: {key: value for key, value in section.items() if key not in HOW_FAST}
        for part, section in sections.items()
    }
    own = {
        key: value
        for key, value in dataset.items()
        if key != "check" and dataset["source"] in KEYS_OF.get(key, [dataset["source"]])
    }
    found |= {"layers": settings["layers"], "dataset": {"name": name} | own}
    for section in (found["model"], found["dataset"]):
        for key in PLACES:
            if section.get(key):
                section[key] = os.path.basename(section[key].rstrip("/"))
    return found


def views(run):
    """All pictures of the stage view for a run."""
    view = RUNS[run]["view"]
    layers = RUNS[run]["layers"] if view["layers"] is None else view["layers"]
    return [
        f"results/{run}/view/{image}/{layer}.png"
        for image in view["images"]
        for layer in layers
    ]
