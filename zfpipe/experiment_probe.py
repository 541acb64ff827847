"""The data set that a run's layers are probed on: is it there, and does it go with the run."""

from collections.abc import Callable
from typing import Any

from zfpipe.errors import UserError
from zfpipe.schema import one_of


def check_probe(at: str, run: dict[str, Any], datasets: dict[str, Any], known_layers: Callable[[], list[str]]) -> None:
    """Check a run's section `probe`. Raises UserError that names the key, the value and what would be right."""
    probe = run["probe"]
    if probe["dataset"] is None:
        return
    one_of(f"{at}: probe.dataset", probe["dataset"], datasets)
    for name in probe["layers"] or ():
        one_of(f"{at}: probe.layers", name, known_layers())
    channels = datasets[probe["dataset"]]["channels"]
    if channels != run["channels"]:
        raise UserError(
            f"config: {at}: probe.dataset is {probe['dataset']!r}, whose images have {channels} channels, and the "
            f"run's {run['channels']}; set datasets.{probe['dataset']}.channels to {run['channels']}, or name another."
        )
    if probe["dataset"] == run["dataset"] and probe["draw"] == "all" and run["train"]["epochs"]:
        raise UserError(
            f"config: {at}: probe.dataset is the run's own and probe.draw is all, which tests with images that the "
            "network was trained on; set probe.draw to train."
        )
