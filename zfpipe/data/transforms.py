"""Crops and augmentation of whole batches on tensors (paper, section 3): no loop over images.

Images come packed, uint8 (C, P, Q). The network takes a crop of (H, W), no larger. A size may be one number: a square.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from zfpipe.data.share import WHOLE, Share
from zfpipe.data.sizes import Size, pair, size_name
from zfpipe.errors import UserError, require_one_of

CROPS = ("ten", "random", "centre")
# The corners and the centre as (down, right), in halves of the room that a crop has to move in.
FIVE_PLACES = ((0, 0), (0, 2), (2, 0), (2, 2), (1, 1))
# A crop that is scaled or turned moves in this many steps, finer than a pixel.
FINE_STEPS = 4096


@dataclass(frozen=True)
class Augmentation:
    """How a training crop is taken. The defaults are the paper's: one of ten sub-crops, nothing else.

    `crops` is 'ten' (corners and centre, with and without flip), 'random' (any place, with and without flip) or
    'centre'. `scale_range` bounds the side of the crop in units of the input's side (0.5 shows everything at double
    size), `rotation` is the largest turn in degrees either way. `brightness` and `colour` are the largest relative
    changes of all three channels together and of each alone.
    """

    crops: str = "ten"
    scale_range: tuple[float, float] = (1.0, 1.0)
    rotation: float = 0.0
    brightness: float = 0.0
    colour: float = 0.0

    def __post_init__(self):
        require_one_of("train.crops", self.crops, CROPS)
        low, high = self.scale_range
        if not 0 < low <= high:
            raise UserError(f"train.scale_range is {low} {high}; it takes two numbers, 0 < smallest <= largest.")
        for name, top in (("rotation", 180), ("brightness", 1), ("colour", 1)):
            if not 0 <= getattr(self, name) <= top:
                raise UserError(f"train.{name} is {getattr(self, name)}; it can be 0 (off) to {top}.")

    @property
    def warps(self) -> bool:
        """Whether crops are scaled or turned, and so interpolated."""
        return self.scale_range != (1.0, 1.0) or self.rotation > 0


def centre_crop(images: Tensor, size: int | Size) -> Tensor:
    """Return the central crops (..., *size) of tensors (..., H, W): those of `decode.centre_crop`.

    Raises UserError if the images are smaller than `size`.
    """
    height, width = images.shape[-2:]
    down, across = pair(size)
    if height < down or width < across:
        raise UserError(
            f"The images are {size_name((height, width))} px and the network's input is {size_name(size)}; "
            f"pack them at {size_name(size)} px or more, or choose a smaller model.input_size."
        )
    top, left = round((height - down) / 2), round((width - across) / 2)
    return images[..., top : top + down, left : left + across]


def augment(
    images: Tensor,
    size: int | Size,
    mean: Tensor,
    std: Tensor,
    how: Augmentation,
    generator: torch.Generator,
    whole: int | None = None,
    share: Share = WHOLE,
) -> Tensor:
    """Return network inputs (B, C, *size) float32 from packed images (B, C, P, Q) uint8.

    `mean`, (C, P, Q) or (C, 1, 1), is subtracted at its own pixels, before an image is moved or flipped; `std`,
    (C, 1, 1), divides. Both are in pixel values 0..255. Draws come from `generator` alone, on the CPU, so they are
    the same on every device. Where the images are the `share` of a batch of `whole`, the draws of all of it are made,
    so that an image is augmented alike whoever has it.
    """
    device, size, packed = images.device, pair(size), tuple(images.shape[-2:])
    whole = len(images) if whole is None else whole
    mine = torch.from_numpy(share.seen(whole))
    room = tuple(whole - part for whole, part in zip(packed, size, strict=True))
    steps = (FINE_STEPS, FINE_STEPS) if how.warps else room
    places = [draw[mine] for draw in _places(whole, steps, how.crops, generator)]
    turned = places[2].nonzero()[:, 0].to(device)  # asked on the CPU: a GPU would have to be waited for
    top, left, flip = (draw.to(device) for draw in places)
    gain = _gains(whole, images.shape[1], how, generator)
    gain = None if gain is None else gain[mine]
    if how.warps:
        scale, angle = (draw[mine] for draw in _scales_and_angles(whole, how, generator))
        grid = _grid(top / FINE_STEPS, left / FINE_STEPS, flip, scale, angle, packed, size, device)
        inputs = normalised(_brightened(images, gain), mean, std)
        # Reflected borders: a black or grey wedge would be the strongest edge of many images.
        return functional.grid_sample(inputs, grid, "bilinear", "reflection", align_corners=False)
    crops = cut(images, top, left, size)
    crops[turned] = crops[turned].flip(3)  # as bytes, a quarter of what they are as numbers
    if mean.shape[-1] > 1:
        ways, flipped = torch.stack([mean, mean.flip(2)]).contiguous(memory_format=torch.channels_last), flip.long()
        mean = cut(ways, top, torch.where(flip, room[1] - left, left), size, flipped)
    return normalised(_brightened(crops, gain), mean, std)


def normalised(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Return (images - mean) / std, (B, C, H, W) of the type of `mean`; the images (bytes or numbers) stay as they are.

    `mean` is (B, C, H, W), (C, H, W) or (C, 1, 1), `std` (C, H, W) or (C, 1, 1).
    """
    # Whole rows of pixels at once, channels last: broadcasting over the three channels of each pixel is slow.
    rows = images.to(mean.dtype, copy=True).movedim(1, -1).flatten(2)
    whole = (each.expand(*each.shape[:-3], *images.shape[1:]) for each in (mean, std))
    mean, std = (each.movedim(-3, -1).flatten(-2) for each in whole)
    return rows.sub_(mean).div_(std).unflatten(2, (-1, images.shape[1])).movedim(-1, 1)


def cut(images: Tensor, top: Tensor, left: Tensor, size: int | Size, which: Tensor | None = None) -> Tensor:
    """Return from each image (B, C, P, Q) the crop of `size` at its own `top`, `left` (B).

    Of fewer images `which` (B) says from which one each crop comes.
    """
    down, across = pair(size)
    windows = images.unfold(2, down, 1).unfold(3, across, 1)  # (B, C, P-h+1, Q-w+1, h, w), a view
    return windows[torch.arange(len(images), device=images.device) if which is None else which, :, top, left]


def _places(count: int, steps: Size, crops: str, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw top, left (B), each in 0..its steps, and flip (B) bool."""
    if crops == "centre":
        top, left = (torch.full((count,), round(most / 2)) for most in steps)
        return top, left, torch.zeros(count, dtype=torch.bool)
    flip = torch.randint(2, (count,), generator=generator).bool()
    if crops == "random":
        drawn = torch.rand((count, 2), generator=generator, dtype=torch.float64)
        places = (drawn * (torch.tensor(steps) + 1)).long()
    else:
        chosen = torch.randint(len(FIVE_PLACES), (count,), generator=generator)
        places = (
            (torch.tensor(FIVE_PLACES)[chosen] * torch.tensor(steps) / 2).round().long()
        )  # half to even, as round() does
    return places[:, 0], places[:, 1], flip


def _gains(count: int, channels: int, how: Augmentation, generator: torch.Generator) -> Tensor | None:
    if not (how.brightness or how.colour):
        return None
    together = 1 + how.brightness * _uniform((count, 1, 1, 1), generator)
    apart = 1 + how.colour * _uniform((count, channels, 1, 1), generator)
    return together * apart


def _scales_and_angles(count: int, how: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    low, high = how.scale_range
    # Uniform in the logarithm: twice as large as often as half as large.
    middle, reach = math.log(low * high) / 2, math.log(high / low) / 2
    scale = torch.exp(middle + reach * _uniform((count,), generator))
    angle = math.radians(how.rotation) * _uniform((count,), generator)
    return scale, angle


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator) * 2 - 1  # -1 .. 1


def _brightened(images: Tensor, gain: Tensor | None) -> Tensor:
    """Return the images (uint8), as float ones if there is a gain."""
    return images if gain is None else images.float().mul_(gain.to(images.device)).clamp_(0, 255)


def _grid(
    down: Tensor, right: Tensor, flip: Tensor, scale: Tensor, angle: Tensor, packed: Size, size: Size, device
) -> Tensor:
    """Return sampling places (B, h, w, 2), x before y, in -1..1 of the packed image."""
    scale, cos, sin = scale.to(device), angle.cos().to(device), angle.sin().to(device)
    mirror = 1 - 2 * flip.float()
    # Half the crop's height and width, in half heights and half widths of the packed image: a turn keeps pixels square.
    (h_in_h, h_in_w), (w_in_h, w_in_w) = ([scale * part / whole for whole in packed] for part in size)
    x = torch.stack([w_in_w * cos * mirror, -h_in_w * sin, (2 * right - 1) * (1 - w_in_w).clamp(min=0)], 1)
    y = torch.stack([w_in_h * sin * mirror, h_in_h * cos, (2 * down - 1) * (1 - h_in_h).clamp(min=0)], 1)
    return functional.affine_grid(torch.stack([x, y], 1), [len(flip), 1, *size], align_corners=False)
