# The checked config, and small helpers for the rules. Nothing here makes a file.
import json
import shlex
from hashlib import sha256
from pathlib import Path

from snakemake.exceptions import WorkflowError
from zfpipe.errors import UserError
from zfpipe.experiment import layer_names, load, packed_size
from zfpipe.files.code import code_sha256

SCHEMA = Path(workflow.basedir) / "workflow/schemas/config.schema.yaml"

try:
    EXPERIMENT = load(config, SCHEMA)
    RUNS = EXPERIMENT["runs"]
    LAYERS = {name: layer_names(run) for name, run in RUNS.items()}
except UserError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    dataset="[A-Za-z][A-Za-z0-9_-]*",
    run="[A-Za-z][A-Za-z0-9_-]*",
    image="[A-Za-z][A-Za-z0-9_-]*",
    layer="[A-Za-z0-9_.]+",
    split="train|val",
    size=r"\d+",
    shard=r"\d+",
    of=r"\d+",


def code(stage):
    """Digest of a stage's code: a rule with this parameter runs again when the code changes, not when a comment does."""
    return code_sha256(f"zfpipe.stages.{stage}")


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


def has_photographs(wildcards):
    return dataset_of(wildcards)["source"] == "photographs"


def image_root(wildcards):
    """The folder that a data set's manifest speaks of."""
    if has_photographs(wildcards):
        return f"results/data/{wildcards.dataset}/photographs"
    return dataset_of(wildcards)["root"]


def folder_listing(root):
    """Digest of the names and sizes of a folder's files: new, gone and changed images are seen, a mere touch is not."""
    root = Path(root)
    listing = sorted(
        f"{path.relative_to(root)} {path.stat().st_size}"
        for path in root.rglob("*")
        if path.is_file()
    )
    return sha256("\n".join(listing).encode("utf-8", "surrogateescape")).hexdigest()


def least_size(dataset):
    """Side in pixels that every image of a data set should have: the largest input of its runs."""
    return max(
        run["model"]["input_size"] for run in RUNS.values() if run["dataset"] == dataset
    )


def packed(split):
    """Input function: the packed file of a run's split."""
    return lambda wildcards: (
        f"results/data/{run_of(wildcards)['dataset']}/pack/{packed_size(run_of(wildcards))}/{split}.h5"
    )


def view_image(wildcards):
    return run_of(wildcards)["view"]["images"][wildcards.image]


def views(run):
    """All pictures of the stage view for a run."""
    view = RUNS[run]["view"]
    layers = LAYERS[run] if view["layers"] is None else view["layers"]
    return [
        f"results/{run}/view/{image}/{layer}.png"
        for image in view["images"]
        for layer in layers
    ]
