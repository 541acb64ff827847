"""The epochs of a training that is over: weights out of its state folder, for a model file that it made."""

import re
from pathlib import Path

from zfpipe.data.packed import Packed
from zfpipe.errors import UserError
from zfpipe.files import checkpoint
from zfpipe.nets.models import Model, load_weights
from zfpipe.nets.state import State

PAPER = (1, 2, 5, 10, 20, 30, 40, 64)  # the epochs of figure 4


class Epochs:
    """The checkpoints that the training of a model file left in a state folder.

    `key` names the training there, `last` is its last epoch: the model's own.
    Raises UserError for a model of weights that were taken as they are, and where the training left nothing.
    """

    def __init__(self, model: str | Path, folder: str | Path):
        facts = checkpoint.load(model, "model").get("facts")
        facts = facts if isinstance(facts, dict) else {}
        self.model, self.key, self.last = model, str(facts.get("key", "")), facts.get("epoch")
        if not re.fullmatch("[0-9a-f]{16}", self.key) or not isinstance(self.last, int):
            raise UserError(f"{model} holds weights that no training here made, so there are no epochs to look at.")
        self._train_sha256 = facts.get("train_sha256")
        self._state = State(folder, self.key)
        if not self.there:
            raise UserError(
                f"{self._state.folder} holds no epoch of {model}; delete {model} and train again, and the epochs "
                "are kept there."
            )

    @property
    def there(self) -> list[int]:
        """The epochs whose weights stand in the folder."""
        found = (re.fullmatch(r"epoch-(\d{4,})\.pt", path.name) for path in self._state.folder.glob("epoch-*.pt"))
        return sorted(int(match[1]) for match in found if match)

    def choose(self, asked: list[int] | None) -> list[int]:
        """Return the epochs to look at, in order: those asked for, or the paper's that were reached and the last.

        Raises UserError, naming those that are there, if one of them is not.
        """
        epochs = sorted(set(asked)) if asked else [*(epoch for epoch in PAPER if epoch < self.last), self.last]
        for epoch in epochs:
            if not 1 <= epoch <= self.last:
                raise UserError(f"evolve.epochs names {epoch}; the training of {self.model} has 1 to {self.last}.")
        there = self.there
        missing = [epoch for epoch in epochs if epoch not in there]
        if missing:
            raise UserError(
                f"{self._state.folder} lacks epoch {_listed(missing)}; it holds {_listed(there)}: name some of these "
                "in evolve.epochs, or the missing ones in train.keep_epochs, and they are trained again."
            )
        return epochs

    def require_split(self, packed: Packed, path: str | Path) -> None:
        """Raise UserError unless `packed`, a file at `path`, is the split that the model was trained on."""
        if packed.manifest_sha256 != self._train_sha256:
            raise UserError(f"{path} is not what {self.model} was trained on; give the packed training split.")

    def put(self, epoch: int, model: Model) -> None:
        """Put the weights that an epoch left into a model's network. Raises UserError if the file is not whole."""
        path = self._state.path(epoch)
        weights = self._state.load(epoch).get("weights")
        if not isinstance(weights, dict):
            raise UserError(f"{path} holds no weights; delete it and train again.")
        load_weights(model.network, weights, path)


def _listed(epochs: list[int]) -> str:
    """Return '1, 2, 5' or, where all are there, '1 to 26'."""
    if len(epochs) > 2 and epochs == list(range(epochs[0], epochs[-1] + 1)):
        return f"{epochs[0]} to {epochs[-1]}"
    return ", ".join(map(str, epochs))
