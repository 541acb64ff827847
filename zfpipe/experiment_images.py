"""The single images that a config names, for view and the paper's experiments: are they and their layers there."""

from collections.abc import Callable
from typing import Any

from zfpipe.errors import UserError
from zfpipe.schema import existing, one_of

SHIPPED = "photographs:"


def check_images(at: str, run: dict[str, Any], known_layers: Callable[[], list[str]]) -> None:
    """Check the sections of a run that look at single images; paths get `~` spelled out.

    Raises UserError that names the key, the value and what would be right.
    """
    view, occlude = run["view"], run["occlude"]
    for name in view["layers"] or ():
        one_of(f"{at}: view.layers", name, known_layers())
    if occlude["layer"] is None:
        occlude["layer"] = run["layers"][-1]
    else:
        one_of(f"{at}: occlude.layer", occlude["layer"], run["layers"])
    for section in ("occlude", "invariance"):
        for name in run[section]["labels"]:
            one_of(f"{at}: {section}.labels", name, run[section]["images"])
    for name in run["invariance"]["layers"] or ():
        one_of(f"{at}: invariance.layers", name, known_layers())
    _check_correspond(f"{at}: correspond", run["correspond"], known_layers)
    for section in ("view", "occlude", "invariance", "correspond"):
        images = run[section]["images"]
        for name, image in images.items():
            images[name] = _there(f"{at}: {section}.images.{name}", image, run["channels"])


def _check_correspond(at: str, correspond: dict[str, Any], known_layers: Callable[[], list[str]]) -> None:
    for name in correspond["layers"] or ():
        one_of(f"{at}.layers", name, known_layers())
    count = len(correspond["images"])
    if count == 0:
        return
    if count < 2:
        raise UserError(f"config: {at}.images names {count} image; it compares images, so name at least 2.")
    if correspond["boxes"] is None:
        raise UserError(f"config: {at} names images and no boxes; name a CSV, image,part,top,left,bottom,right.")
    correspond["boxes"] = existing(f"{at}.boxes", correspond["boxes"], "file")
    from zfpipe.data.boxes import read_boxes  # here, since most configs do without

    try:
        read_boxes(correspond["boxes"], correspond["images"])
    except UserError as error:
        raise UserError(f"config: {at}.boxes: {error}") from error


def _there(at: str, image: str, channels: int) -> str:
    if not image.startswith(SHIPPED):
        return existing(at, image, "file")
    from zfpipe.data.photographs import PHOTOGRAPHS  # here, since most configs do without

    one_of(at, image, [SHIPPED + shipped for shipped in PHOTOGRAPHS])
    if channels not in (1, 3):
        raise UserError(f"config: {at} is {image!r}, and the run's images have {channels} channels; name a .npy array.")
    return image
