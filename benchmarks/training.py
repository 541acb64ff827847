"""Training against the bare forward and backward pass of the same network at the same batch size."""

from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.material import model, packed_file
from benchmarks.table import Row
from benchmarks.timing import side_by_side
from zfpipe.data.packed import open_packed
from zfpipe.nets.machine import HERE
from zfpipe.nets.schedule import Schedule
from zfpipe.nets.training import Part, Recipe, Training

BATCH = 64


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return a row: images/s of an epoch of ZFNet by the paper's recipe, over those of the passes alone."""
    count = BATCH if quick else 2 * BATCH
    path, val = packed_file(folder / "train.h5", count, 256), packed_file(folder / "val.h5", 1, 256)
    trained, bare = model("zfnet"), model("zfnet").network
    for network in (trained.network, bare):
        network.to(memory_format=torch.channels_last).train().requires_grad_(True)
    images = torch.randn(BATCH, 3, 224, 224).contiguous(memory_format=torch.channels_last)

    def stage():
        with open_packed(path) as packed, open_packed(val) as one:
            parts = Part(packed, packed.labels), Part(one, one.labels)
            # So small a rate leaves the loss as it is: near 0 its gradients are denormal, and ten times as slow.
            recipe = Recipe(batch_size=BATCH, schedule=Schedule("constant", 1e-9))
            training = Training(trained.network, 224, recipe, *parts, trained.mean, trained.std, seed=0, machine=HERE)
            training.epoch(1, 1, [], recipe.optimizer(trained.network))

    def passes():
        for _ in range(count // BATCH):
            bare.zero_grad(set_to_none=True)
            F.cross_entropy(bare(images), torch.zeros(BATCH, dtype=torch.long)).backward()

    spent = side_by_side({"stage": stage, "passes": passes}, 1 if quick else 3)
    detail = f"ZFNet, {count} images in batches of {BATCH}"
    return [Row.over("training, over its passes", "images/s", count, spent["stage"], spent["passes"], 0.9, detail)]
