"""What is said of a training that ended no better than guessing. No weight depends on it."""

from collections.abc import Sequence

from torch import nn

from zfpipe.nets.steps import Row
from zfpipe.progress import counted


def like_guessing(rows: Sequence[Row], classes: int, network: nn.Module) -> str:
    """Return a sentence or two if a training ended no better than guessing among its classes; else ''."""
    reached, guessed = rows[-1]["val_top1"], 1 / classes
    if classes < 2 or reached > 1.5 * guessed:
        return ""
    normalised = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules())
    told = (
        f"After {counted(len(rows), 'epoch')} {reached:.3f} of the validation images are right, and guessing among "
        f"{classes} classes gives {guessed:.3f}"
    )
    fitted = rows[-1].get("train_top1", 0.0)
    if fitted > reached + (1 - guessed) / 3:
        said = (
            f"{told}, though {fitted:.3f} of the training images are: the network fits its training images, and not "
            "the validation images. More training images, other train.crops or a lower train.learning_rate may help"
        )
        steps = "; batch normalisation needs many steps too, for its running statistics: more train.epochs or a "
        return f"{said}{steps + 'smaller train.batch_size' if normalised else ''}."
    more = "or more train.epochs" if normalised else "more train.epochs or batch normalisation"
    return (
        f"{told}: the network has learnt little, and its figures will show little. Look at curves.png; a lower or "
        f"higher train.learning_rate{' ' if normalised else ', '}{more} may help."
    )
