"""The data sets that a config names: is what they need there, does it go together."""

import copy
import os
from typing import Any

from zfpipe.errors import UserError
from zfpipe.schema import existing, one_of, over

PHOTOGRAPHS = ("photographs",)
# Keys that only some sources look at.
KEYS_OF = {
    **dict.fromkeys(("tile", "across", "stride", "labels", "min_contrast"), PHOTOGRAPHS),
    "file": ("csv",),
    "variant": ("imagenette", "places365"),
}


def checked_dataset(name: str, top: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return a data set with every key that a stage needs. Raises UserError for what does not go together."""
    at = f"datasets.{name}"
    dataset = copy.deepcopy(top["datasets"][name])
    dataset["check"] = over(top["check"], own.get("check", {}))
    if dataset["check"]["severity"] or dataset["check"]["leave_out"]:
        from zfpipe.data.findings import KINDS as FINDINGS  # here, since most configs do without

        for key in ("severity", "leave_out"):
            for finding in dataset["check"][key]:
                one_of(f"{at}: check.{key}", finding, FINDINGS)
    _refuse_keys_of_others(at, dataset["source"], own)
    _check_source(at, dataset)
    return dataset


def check_read(at: str, run: dict[str, Any], source: str) -> None:
    """Raise UserError where a run is to read files that its source does not have."""
    from zfpipe.data.sources import WRITTEN

    if run["train"]["read"] == "files" and source in WRITTEN:
        raise UserError(
            f"config: {at}: train.read is files, and the images of source {source} stand in no files of their own; "
            "leave it at packed."
        )


def _refuse_keys_of_others(at: str, source: str, own: dict[str, Any]) -> None:
    """A key that a source does not look at was meant for another one, or the source was."""
    for key, sources in KEYS_OF.items():
        if key in own and source not in sources:
            raise UserError(f"config: {at}.{key} goes with the source {' or '.join(sources)}; this one is {source}.")


def _check_source(at: str, dataset: dict[str, Any]) -> None:
    """See that a source has what it needs, and that it is there; a CSV's root is its own folder by default."""
    source = dataset["source"]
    if dataset["channels"] not in (1, 3) and source not in ("folder", "csv"):
        raise UserError(
            f"config: {at} has channels {dataset['channels']}, and the images of source {source} are grey or RGB; it "
            "can be 1 or 3, or give .npy arrays (H, W, C) as a folder."
        )
    if source == "photographs":
        return
    if source == "csv":
        if "file" not in dataset:
            raise UserError(f"config: {at} has source csv and no `file`; name the table with path,label[,split].")
        dataset["file"] = existing(f"{at}.file", dataset["file"], "file")
        dataset.setdefault("root", os.path.dirname(dataset["file"]) or ".")
    if "root" not in dataset:
        raise UserError(f"config: {at} has source {source} and no `root`; name the folder with the images.")
    if dataset["download"] and source not in ("folder", "csv"):
        dataset["root"] = os.path.expanduser(dataset["root"])
    else:
        dataset["root"] = existing(f"{at}.root", dataset["root"], "folder")
    if source not in ("folder", "csv"):
        from zfpipe.data.published import variant_of  # here, since most configs do without

        try:
            variant_of(source, dataset.get("variant"))
        except UserError as error:
            raise UserError(f"config: {at}: {error}") from error
    if "exclude" in dataset:
        dataset["exclude"] = existing(f"{at}.exclude", dataset["exclude"], "file")
        if os.path.relpath(dataset["exclude"]).split(os.sep)[0] == "results":
            raise UserError(
                f"config: {at}.exclude is {dataset['exclude']!r}, which a run writes anew; copy it beside your config, "
                "strike out what you want to keep, and name the copy."
            )
