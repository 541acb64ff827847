"""Loss and accuracy added up over batches."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Tally:
    """Running loss and accuracy: add batches, read results."""

    images: int = 0
    loss_sum: float = 0.0
    top1_hits: int = 0
    top5_hits: int = 0

    def add(self, logits: Tensor, labels: Tensor, loss: float) -> None:
        """Count one batch: logits (B, classes), labels (B), its mean loss in nats."""
        best = logits.topk(min(5, logits.shape[1]), 1).indices  # (B, <=5)
        hits = best == labels[:, None]
        self.images += len(labels)
        self.loss_sum += loss * len(labels)
        self.top1_hits += int(hits[:, 0].sum())
        self.top5_hits += int(hits.sum())

    def results(self, part: str) -> dict[str, float]:
        """Return mean loss and the fractions right among the best one and best five (or all, if fewer)."""
        return {
            f"{part}_loss": self.loss_sum / self.images,
            f"{part}_top1": self.top1_hits / self.images,
            f"{part}_top5": self.top5_hits / self.images,
        }
