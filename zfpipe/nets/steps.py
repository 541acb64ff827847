"""Steps of stochastic gradient descent over batches, by one process or by several together."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zfpipe.data.sizes import Size
from zfpipe.data.transforms import centre_crop, normalised
from zfpipe.errors import UserError
from zfpipe.nets.device import Later
from zfpipe.nets.machine import HERE, Machine
from zfpipe.nets.renormalise import renormalise
from zfpipe.nets.tally import Tally
from zfpipe.nets.team import Team
from zfpipe.nets.together import announce

Batches = Iterable[tuple[Tensor, Tensor]]  # images (B, C, P, Q) uint8, labels (B) int64
Row = dict[str, float]  # one epoch of metrics.csv
NOT_COUNTED = -100  # the label that cross_entropy leaves out, and that no output can hit


class Diverged(UserError):
    """The loss is no longer a finite number."""


@dataclass
class Taken:
    """A step that was taken and whose loss has not been looked at yet: a GPU is given the next one meanwhile."""

    number: int
    rate: float
    loss: Later  # () the mean over the whole batch
    logits: Tensor
    labels: Tensor
    whole: int

    def count(self, tally: Tally) -> None:
        """Add it to the tally. Raises Diverged, naming step and learning rate, where the loss is not finite."""
        loss = self.loss.get().item()
        if not math.isfinite(loss):
            raise Diverged(f"the loss became {loss} at step {self.number} with learning rate {self.rate:g}")
        tally.add(self.logits, self.labels, loss, self.whole)


def train_steps(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    inputs: Batches,
    rates: Iterable[float],
    filter_radius: float,
    machine: Machine = HERE,
) -> Row:
    """Take one step for each (network inputs (B, C, h, w), labels (B)), each with its learning rate.

    The inputs may be a share of the batch; the labels are those of all of it.
    Return train_loss, train_top1, train_top5, learning_rate (the last) and filters_renormalised (over all steps).
    Raises Diverged, naming step and learning rate, when the loss is not finite.
    """
    network.train()
    tally, renormalised, rate, last = Tally(), torch.tensor(0), 0.0, None
    for step, ((images, labels), rate) in enumerate(zip(inputs, rates, strict=True), start=1):
        taken = _step(network, optimizer, images, labels, rate, machine)
        if filter_radius:
            renormalised = renormalise(network, filter_radius) + renormalised.to(labels.device)
        if last:
            last.count(tally)
        last = Taken(step, rate, *taken, len(labels))
    last.count(tally)
    tally.share_hits(machine.team, machine.device)
    return tally.results("train") | {"learning_rate": rate, "filters_renormalised": int(renormalised)}


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, rate: float, machine: Machine
) -> tuple[Later, Tensor, Tensor]:
    """Take a step; return the loss of the whole batch, and the logits and labels of the share that was seen."""
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    announce(network, len(labels))
    mine = _labels_of(machine.team, labels)
    with machine.computing():
        output = _outputs(network, images, len(labels))
        logits = output if isinstance(output, Tensor) else output.logits  # some networks add auxiliary outputs
        loss = _loss(logits, mine, len(labels), machine.team)
    (loss if machine.team.alone else loss * machine.team.size).backward()  # a team's gradients are then averaged
    optimizer.step()
    return Later(machine.team.total(loss.detach())), logits.detach(), mine


def _outputs(network: nn.Module, images: Tensor, whole: int) -> Any:
    """Return network(images). Raises UserError where that is one image and one value is to be normalised."""
    try:
        return network(images)
    except ValueError as error:
        if whole > 1 or "more than 1 value per channel" not in str(error):
            raise
        raise UserError(
            "A batch has one image, and batch normalisation meets maps of one pixel there, which have no variance; "
            "with another train.batch_size the last batch of an epoch has more images."
        ) from error


def _loss(logits: Tensor, labels: Tensor, whole: int, team: Team) -> Tensor:
    """Return this share's part of the batch's mean loss. It takes logits: a softmax before it would be one too many."""
    if team.alone:
        return functional.cross_entropy(logits, labels)
    return functional.cross_entropy(logits, labels, reduction="sum") / whole


def _labels_of(team: Team, labels: Tensor) -> Tensor:
    """Return the labels of what this process sees of a batch; an image that is seen for nothing has none."""
    if team.alone:
        return labels
    rows = team.share.rows(len(labels))
    return labels[torch.from_numpy(rows).to(labels.device)] if len(rows) else labels.new_full((1,), NOT_COUNTED)


@torch.no_grad()
def evaluate(
    network: Callable[[Tensor], Tensor],
    read: Batches,
    size: int | Size,
    mean: Tensor,
    std: Tensor,
    machine: Machine = HERE,
) -> Row:
    """Return val_loss, val_top1 and val_top5 on the centre crops of (uint8 images, labels), of a network in eval mode.

    Each process of a team brings batches of its own. Raises Diverged when the loss is not finite.
    """
    tally = Tally()
    for images, labels in read:
        logits = network(normalised(centre_crop(images, size), mean, std))
        tally.add(logits, labels, functional.cross_entropy(logits, labels).item())
    tally.share_all(machine.team, machine.device)
    if not math.isfinite(tally.loss_sum):
        raise Diverged(f"the validation loss became {tally.loss_sum}")
    return tally.results("val")
