"""One image shifted, enlarged or turned by a known amount (paper, section 4.1, figure 5)."""

import numpy as np
import torch
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import affine

WARPS = ("translation", "scale", "rotation")
FILL = 128  # what comes in from outside the image: mid-grey


def warp(image: np.ndarray, kind: str, amount: float) -> np.ndarray:
    """Return an image (H, W, C) uint8 warped about its centre: the same size, bilinear, grey where nothing was.

    `translation` is in pixels downwards, `scale` a factor (2 enlarges), `rotation` in degrees clockwise.
    """
    settings = {"angle": 0.0, "translate": [0.0, 0.0], "scale": 1.0, "shear": [0.0, 0.0]}
    settings |= {
        "translation": {"translate": [0.0, float(amount)]},
        "scale": {"scale": float(amount)},
        "rotation": {"angle": float(amount)},
    }[kind]
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).double()
    fill = [float(FILL)] * image.shape[2]
    found = affine(pixels, interpolation=InterpolationMode.BILINEAR, fill=fill, **settings)
    return found.round().clamp(0, 255).byte().permute(1, 2, 0).numpy()


def amounts(kind: str, side: int) -> list[float]:
    """Return the paper's amounts: shifts of -60 to 60 px at 224 (scaled to `side`), 1 to 1.8 times, 0 to 350 degrees.

    The paper does not state their steps: here 25 shifts, 17 sizes, 36 turns.
    """
    if kind == "translation":
        reach = round(60 * side / 224)
        return sorted({float(round(reach * step / 12)) for step in range(-12, 13)})
    if kind == "scale":
        return [round(1 + 0.05 * step, 2) for step in range(17)]
    return [10.0 * step for step in range(36)]
