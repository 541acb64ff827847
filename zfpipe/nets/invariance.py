"""How far a network's answer moves when its image is shifted, enlarged or turned (paper, section 4.1, figure 5)."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from zfpipe.data.decode import centre_crop
from zfpipe.data.warps import WARPS, amounts, warp
from zfpipe.nets.answers import Answers


@dataclass(frozen=True)
class Moved:
    """One warp of one image: the Euclidean `distance` of each layer's feature vector, the label's `probability`."""

    kind: str
    amount: float
    distance: tuple[float, ...]
    probability: float


def invariance(answers: Answers, image: np.ndarray, label: int | None, batch_size: int = 64) -> tuple[int, list[Moved]]:
    """Warp a packed image (P, Q, C) uint8 by the paper's amounts; return the label and one entry a warp.

    The warped image's centre goes into the network, so what lies around the crop comes in before grey does. A layer's
    feature vector is its whole map, flattened. `label` None is the most probable output of the image as it is.
    """
    size = answers.model.input_size
    maps, outputs = answers(centre_crop(image, size)[None])
    still = [each.flatten(1) for each in maps]
    label = int(outputs[0].argmax()) if label is None else label
    asked = [(kind, amount) for kind in WARPS for amount in amounts(kind, min(size))]
    found = []
    for start in range(0, len(asked), batch_size):
        part = asked[start : start + batch_size]
        maps, outputs = answers(np.stack([centre_crop(warp(image, *each), size) for each in part]))
        distances = [_distance(each, origin) for each, origin in zip(maps, still, strict=True)]
        for number, (kind, amount) in enumerate(part):
            moved = tuple(float(distance[number]) for distance in distances)
            found.append(Moved(kind, amount, moved, float(outputs[number, label])))
    return label, found


def _distance(maps: Tensor, still: Tensor) -> Tensor:
    # In float64: a sum of a million squares loses digits in float32, and more with some orders than with others.
    return (maps.flatten(1).double() - still.double()).norm(dim=1)
