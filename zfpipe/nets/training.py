"""Stochastic gradient descent as in the paper (section 3): one epoch of training, and the validation after it.

Each epoch seeds everything from (seed, epoch), so that a resumed training needs weights, momentum and the metrics so
far, and nothing else, to go on to the bit as if it had not stopped.
"""

import csv
import functools
import io
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from zfpipe.data.batches import Images, batches, seed_for, shuffled
from zfpipe.data.sizes import Size
from zfpipe.data.transforms import Augmentation, augment, centre_crop
from zfpipe.errors import UserError
from zfpipe.nets.contrast import contrast_quickly
from zfpipe.nets.machine import Machine
from zfpipe.nets.schedule import Schedule
from zfpipe.nets.steps import Batches, Row, evaluate, train_steps
from zfpipe.nets.together import spread
from zfpipe.progress import progress

COLUMNS = [
    *("epoch", "train_loss", "train_top1", "train_top5", "val_loss", "val_top1", "val_top5"),
    *("learning_rate", "images_per_second", "filters_renormalised"),
]


@dataclass(frozen=True)
class Recipe:
    """The settings of a training, apart from data and model; the defaults are the paper's.

    Raises UserError for a value outside its range.
    """

    batch_size: int = 128
    momentum: float = 0.9
    weight_decay: float = 0.0
    filter_radius: float = 0.1  # 0: filters are left as they are
    schedule: Schedule = field(default_factory=Schedule)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self):
        if self.batch_size < 1:
            raise UserError(f"train.batch_size is {self.batch_size}; it must be at least 1 (the paper's is 128).")
        if not 0 <= self.momentum < 1:
            raise UserError(f"train.momentum is {self.momentum}; it can be 0 to below 1 (the paper's is 0.9).")
        for name in ("weight_decay", "filter_radius"):
            if not (getattr(self, name) >= 0 and math.isfinite(getattr(self, name))):
                raise UserError(f"train.{name} is {getattr(self, name)}; it must be 0 (off) or above.")

    def optimizer(self, network: nn.Module) -> torch.optim.SGD:
        """Return the optimizer; its learning rate is set anew at each step."""
        rate, decay = self.schedule.learning_rate, self.weight_decay
        return torch.optim.SGD(network.parameters(), rate, self.momentum, weight_decay=decay)


@dataclass
class Part:
    """One split: its images, and its labels (N,) int64."""

    images: Images
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass
class Training:
    """A network on its way. `mean` (C, P, Q) or (C, 1, 1) and `std` (C, 1, 1) are in pixel values 0..255."""

    network: nn.Module
    input_size: int | Size
    recipe: Recipe
    train: Part
    val: Part
    mean: Tensor
    std: Tensor
    seed: int
    machine: Machine
    bgr: bool = False  # the network takes blue first; the images, mean and std are RGB

    def __post_init__(self):
        device, team = self.machine.device, self.machine.team
        contrast_quickly(self.network)
        self.network.to(device, memory_format=torch.channels_last)
        self.network = spread(self.network, team)
        self.mean, self.std = self.mean.to(device), self.std.to(device)

    def epoch(self, epoch: int, epochs: int, rows: list[Row], optimizer: torch.optim.Optimizer) -> Row:
        """Train one epoch, counted from 1, and validate; return its metrics. `rows` are those of all epochs before.

        Raises Diverged when the loss is no longer finite.
        """
        started = time.monotonic()
        trained = self._train(epoch, epochs, rows, optimizer)
        rate = len(self.train) / (time.monotonic() - started)
        row = {"epoch": epoch, "images_per_second": rate} | trained | self.validate()
        return {name: row[name] for name in COLUMNS}

    def validate(self) -> Row:
        """Return val_loss, val_top1 and val_top5 of the network as it is, on the centre crops."""
        mean = centre_crop(self.mean, self.input_size) if self.mean.shape[-1] > 1 else self.mean
        self.network.eval()
        return evaluate(
            lambda inputs: self.network(self._fed(inputs)),
            self._val_batches(),
            self.input_size,
            mean,
            self.std,
            self.machine,
        )

    def _train(self, epoch: int, epochs: int, rows: list[Row], optimizer: torch.optim.Optimizer) -> Row:
        torch.manual_seed(seed_for(self.seed, epoch, "dropout"))
        order = shuffled(len(self.train), seed_for(self.seed, epoch, "order"))
        crops = torch.Generator().manual_seed(seed_for(self.seed, epoch, "crops"))
        read = progress(
            self._train_batches(order), f"epoch {epoch}/{epochs}", "images", len(order), self.recipe.batch_size
        )
        inputs = ((self._augmented(images, crops, len(labels)), labels) for images, labels in read)
        rates = self._rates(epoch, epochs, [1 - row["val_top1"] for row in rows])
        return train_steps(self._trained, optimizer, inputs, rates, self.recipe.filter_radius, self.machine)

    @functools.cached_property
    def _trained(self) -> nn.Module:
        return self.machine.team.with_gradients_averaged(self.network, self.machine.device)

    def _augmented(self, images: Tensor, crops: torch.Generator, whole: int) -> Tensor:
        how, share = self.recipe.augmentation, self.machine.team.share
        return self._fed(augment(images, self.input_size, self.mean, self.std, how, crops, whole, share))

    def _fed(self, inputs: Tensor) -> Tensor:
        return inputs.flip(1) if self.bgr else inputs

    def _rates(self, epoch: int, epochs: int, errors: list[float]) -> Iterator[float]:
        steps = math.ceil(len(self.train) / self.recipe.batch_size)
        return (self.recipe.schedule.rate(errors, epoch - 1 + step / steps, epochs) for step in range(steps))

    def _train_batches(self, order: np.ndarray) -> Batches:
        images, labels, machine = self.train.images, self.train.labels, self.machine
        return batches(images, labels, order, self.recipe.batch_size, machine.device, machine.team.share)

    def _val_batches(self) -> Batches:
        """Return the batches that this process of a team evaluates: whole ones, so that all are seen as one would."""
        size, share, order = self.recipe.batch_size, self.machine.team.share, np.arange(len(self.val))
        order = order[(order // size) % share.of == share.rank]
        return batches(self.val.images, self.val.labels, order, size, self.machine.device)


def as_csv(rows: list[Row]) -> str:
    """Return metrics.csv: a header, and a line an epoch."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
