"""Loss and accuracy added up over batches."""

from dataclasses import dataclass

import torch
from torch import Tensor

from zfpipe.nets.team import Team


@dataclass
class Tally:
    """Running loss and accuracy: add batches, read results."""

    images: int = 0
    loss_sum: float = 0.0
    hits: Tensor | int = 0  # (2,) int64, best one and best five; on the device, which then need not be waited for

    def add(self, logits: Tensor, labels: Tensor, loss: float, whole: int | None = None) -> None:
        """Count one batch: logits (B, classes), labels (B), its mean loss in nats.

        Where the batch is a share, `whole` is how many images the loss is of.
        """
        whole = len(labels) if whole is None else whole
        best = logits.topk(min(5, logits.shape[1]), 1).indices  # (B, <=5)
        hits = best == labels[:, None]
        self.hits = self.hits + torch.stack([hits[:, 0].sum(), hits.sum()])
        self.images += whole
        self.loss_sum += loss * whole

    def share_hits(self, team: Team, device: torch.device) -> None:
        """Add the hits of all processes; images and loss are those of whole batches already."""
        self.hits = team.total(torch.zeros(2, dtype=torch.long, device=device) + self.hits)

    def share_all(self, team: Team, device: torch.device) -> None:
        """Add what all processes counted, each of its own batches."""
        self.share_hits(team, device)
        if not team.alone:
            sums = torch.tensor([self.images, self.loss_sum], dtype=torch.float64, device=device)
            images, self.loss_sum = team.total(sums).tolist()
            self.images = round(images)

    def results(self, part: str) -> dict[str, float]:
        """Return mean loss and the fractions right among the best one and best five (or all, if fewer)."""
        top1, top5 = self.hits.tolist()
        return {
            f"{part}_loss": self.loss_sum / self.images,
            f"{part}_top1": top1 / self.images,
            f"{part}_top5": top5 / self.images,
        }
