"""Learning rates: a function of what has happened so far, so that a resumed training needs no state of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from zfpipe.errors import UserError, require_one_of

SCHEDULES = ("plateau", "cosine", "constant")


@dataclass(frozen=True)
class Schedule:
    """How the learning rate goes down from `learning_rate`.

    'plateau' multiplies it by `factor` whenever the validation error has not fallen below its best for `patience`
    epochs: the paper's annealing by hand (section 3). 'cosine' falls to 0 over all epochs, step by step.
    'constant' stays. Raises UserError for a value outside its range.
    """

    name: str = "plateau"
    learning_rate: float = 1e-2
    patience: int = 5
    factor: float = 0.1

    def __post_init__(self):
        require_one_of("train.schedule", self.name, SCHEDULES)
        if not (self.learning_rate > 0 and math.isfinite(self.learning_rate)):
            raise UserError(f"train.learning_rate is {self.learning_rate}; it must be above 0 (the paper's is 0.01).")
        if self.patience < 1:
            raise UserError(f"train.patience is {self.patience} epochs; it must be at least 1.")
        if not 0 < self.factor < 1:
            raise UserError(f"train.factor is {self.factor}; it must lie between 0 and 1, both excluded.")

    def rate(self, errors: Sequence[float], epochs_done: float, epochs: int) -> float:
        """Return the learning rate after `epochs_done` (fractions count) of `epochs`.

        `errors` holds the validation error of each finished epoch.
        """
        if self.name == "cosine":
            return self.learning_rate * (1 + math.cos(math.pi * min(1.0, epochs_done / epochs))) / 2
        if self.name == "plateau":
            return self.learning_rate * self.factor ** _plateaus(errors, self.patience)
        return self.learning_rate

    def depends_on_epochs(self) -> bool:
        """Whether another number of epochs changes the rates of the first ones."""
        return self.name == "cosine"


def _plateaus(errors: Sequence[float], patience: int) -> int:
    best, waited, plateaus = math.inf, 0, 0
    for error in errors:
        waited = 0 if error < best else waited + 1
        best = min(best, error)
        if waited == patience:
            waited, plateaus = 0, plateaus + 1
    return plateaus
