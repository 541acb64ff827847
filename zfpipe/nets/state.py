"""The folder that a training resumes from: every epoch's checkpoint, under a key of all that defines the weights.

STATE/{key}/epoch-0005.pt      weights, metrics so far, preprocessing, settings
STATE/{key}/optimizer-0005.pt  the optimizer's momentum; kept for the newest two epochs only, as large as the weights
STATE/{key}/lock               held by the process that trains
"""

import contextlib
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import filelock
from torch import Tensor, nn

from zfpipe.errors import UserError
from zfpipe.files import checkpoint
from zfpipe.files.digest import sha256_value
from zfpipe.files.whole import write_text
from zfpipe.nets.steps import Diverged, Row
from zfpipe.nets.training import Training
from zfpipe.progress import say

KIND = "checkpoint"
OPTIMIZERS_KEPT = 2


def key_of(facts: dict[str, Any]) -> str:
    """Return the 16 hexadecimal digits that name a training in the state folder."""
    return sha256_value(facts)[:16]


class State:
    """The checkpoints of one training."""

    def __init__(self, folder: str | Path, key: str):
        self.folder = Path(folder) / key

    @contextlib.contextmanager
    def locked(self, timeout: float) -> Iterator[None]:
        """Hold the folder for this process. Raises UserError if another still holds it after `timeout` seconds."""
        self._make_folder()
        lock = filelock.FileLock(self.folder / "lock")
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=0)
        if not lock.is_locked:
            say(f"{self._holder()} is training the same network; waiting up to {timeout:g} s for it to end.")
            self._wait(lock, timeout)
        try:
            write_text(self.folder / "writer.txt", f"Process {os.getpid()} on {socket.gethostname()}")
            yield
        finally:
            lock.release()

    def save(self, epoch: int, content: dict[str, Any], optimizer: dict[str, Any]) -> None:
        """Write an epoch whole. The optimizer goes first: an epoch file that stands can be resumed from."""
        checkpoint.save(self._optimizer_path(epoch), KIND, optimizer)
        checkpoint.save(self.path(epoch), KIND, content)
        newest = {self._optimizer_path(epoch - back) for back in range(OPTIMIZERS_KEPT)}
        for path in self.folder.glob("optimizer-*.pt"):
            if path not in newest:
                path.unlink()

    def load(self, epoch: int) -> dict[str, Any]:
        """Return what `save` was given for an epoch."""
        return checkpoint.load(self.path(epoch), KIND)

    def load_optimizer(self, epoch: int) -> dict[str, Any]:
        """Return the optimizer's state_dict after an epoch."""
        return checkpoint.load(self._optimizer_path(epoch), KIND)

    def preprocessing(self, epoch: int) -> tuple[Tensor, Tensor] | None:
        """Return mean and std as kept with an epoch, so that nobody reads the training set for them; None at 0."""
        content = self.load(epoch) if epoch else None
        return (content["mean"], content["std"]) if content else None

    def newest(self, epochs: int, needed: Iterable[int] = ()) -> int:
        """Return the epoch to go on from: at most `epochs`, whole, with every `needed` epoch up to it whole; or 0.

        Damaged files on the way are removed, with a line that says so.
        """
        needed = sorted(needed)
        for epoch in range(epochs, 0, -1):
            if not self._whole(self.path(epoch)):
                continue
            if epoch < epochs and not self._whole(self._optimizer_path(epoch)):
                continue
            if all(self._whole(self.path(other)) for other in needed if other < epoch):
                return epoch
        return 0

    def path(self, epoch: int) -> Path:
        """Return the path of an epoch's checkpoint."""
        return self.folder / f"epoch-{epoch:04d}.pt"

    def bytes_used(self) -> int:
        """Return the size of the folder's files in bytes."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())

    def _optimizer_path(self, epoch: int) -> Path:
        return self.folder / f"optimizer-{epoch:04d}.pt"

    def _whole(self, path: Path) -> bool:
        if not path.exists():
            return False
        try:
            checkpoint.load(path, KIND)
        except UserError as error:
            say(f"Removed {path.name}, which cannot be used, and go on from the epoch before it: {error}")
            path.unlink()
            return False
        return True

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"Cannot make the state folder {self.folder}: {error.strerror}.") from error

    def _wait(self, lock: filelock.FileLock, timeout: float) -> None:
        try:
            lock.acquire(timeout=timeout)
        except filelock.Timeout as error:
            raise UserError(
                f"{self._holder()} still holds the lock {lock.lock_file} after {timeout:g} s; "
                "let it finish or end it and run again (the lock goes with its process)."
            ) from error

    def _holder(self) -> str:
        writer = self.folder / "writer.txt"
        return writer.read_text() if writer.exists() else "Another process"


def train_to(training: Training, state: State, start: int, epochs: int, facts: dict[str, Any]) -> list[Row]:
    """Train epochs start + 1 .. epochs, each saved whole in `state`; return the metrics of all from the first.

    `start` is 0, or a whole epoch of `state`. `facts` are kept in each checkpoint.
    Raises UserError when the loss is no longer finite.
    """
    optimizer = training.recipe.optimizer(training.network)
    rows = []
    if start:
        content = state.load(start)
        training.network.load_state_dict(content["weights"])
        rows = content["rows"]
    if 0 < start < epochs:
        optimizer.load_state_dict(state.load_optimizer(start))
    for epoch in range(start + 1, epochs + 1):
        with _telling_of_divergence(epoch, state):
            rows.append(training.epoch(epoch, epochs, rows, optimizer))
        content = {"epoch": epoch, "weights": plain_weights(training.network), "rows": rows, "facts": facts}
        content |= {"mean": training.mean.cpu(), "std": training.std.cpu()}
        if training.machine.team.leads:
            state.save(epoch, content, optimizer.state_dict())
        say(_line(rows[-1], epochs))
    return rows


def plain_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the state_dict on the CPU, in one memory layout whatever the device prefers."""
    return {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}


@contextlib.contextmanager
def _telling_of_divergence(epoch: int, state: State) -> Iterator[None]:
    try:
        yield
    except Diverged as error:
        last = f"the last whole checkpoint is {state.path(epoch - 1)}" if epoch > 1 else "no epoch was finished"
        raise UserError(f"In epoch {epoch} {error}; {last}; choose a smaller train.learning_rate.") from error


def _line(row: Row, epochs: int) -> str:
    return (
        f"epoch {row['epoch']}/{epochs}: train loss {row['train_loss']:.4f} top-1 {row['train_top1']:.3f}, "
        f"val loss {row['val_loss']:.4f} top-1 {row['val_top1']:.3f} top-5 {row['val_top5']:.3f}, "
        f"learning rate {row['learning_rate']:.3g}, {row['images_per_second']:.1f} images/s, "
        f"{row['filters_renormalised']} filters renormalised"
    )
