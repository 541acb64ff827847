"""Everything that a check can find: a name, what it means, whether it stops the run, what to do about it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from zfpipe.data.decode import CONVERSIONS
from zfpipe.data.names import printable
from zfpipe.errors import UserError, require_one_of

REPORT_VERSION = 2  # of report.json, which tells the findings
SEVERITIES = ("error", "warning", "ignore")


@dataclass(frozen=True)
class Kind:
    """A kind of finding. A file with an `unusable` one never enters the manifest, whatever the severity."""

    severity: str
    meaning: str
    unusable: bool = False
    threshold: float | None = None  # what the config can change, and why it is what it is
    reason: str = ""


KINDS = {
    "unreadable": Kind("error", "The file cannot be opened: no permission, a broken link, a fault of the disk.", True),
    "truncated": Kind("error", "The image ends early or is damaged: its pixels cannot all be decoded.", True),
    "not-an-image": Kind("error", "The name says image, the content is none.", True),
    "decompression-bomb": Kind("error", "The image claims so many pixels that decoding could fill the memory.", True),
    "unsupported-mode": Kind("error", "Floating-point or 32-bit values, whose black and white are not known.", True),
    "name-not-utf8": Kind("error", "The name is not valid UTF-8, so no text file can hold it; rename it.", True),
    "wrong-channels": Kind("error", "The image has not as many channels as the data set's `channels` says.", True),
    "too-small": Kind("error", "The shorter side is less than the network's input; it would be blown up."),
    "label-conflict": Kind("error", "The same pixels stand in several classes. Leaving out removes every copy."),
    "leakage": Kind("error", "The same pixels stand in train and in val. Leaving out removes the train copies."),
    "empty-class": Kind("error", "A class folder without one usable image."),
    "class-only-in-val": Kind("error", "The class has val images but none to train on."),
    "class-only-in-train": Kind("warning", "The class has train images but none to validate with."),
    "one-class": Kind("warning", "All images are of one class: there is nothing for a network to tell apart."),
    "no-train": Kind("warning", "There is no train side at all: only given weights can be used."),
    "incomplete": Kind("warning", "Fewer images than the published set has: a copy that stopped, or a part of it."),
    "duplicate": Kind("warning", "The same pixels stand several times in one class. Leaving out keeps the first."),
    "stray-file": Kind(
        "warning", "Neither an image by name nor by content, or outside the class folders; not used.", True
    ),
    "greyscale": Kind("warning", "One channel of grey."),
    "cmyk": Kind("warning", "Ink values for printing, not light."),
    "palette": Kind("warning", "Indices into a table of colours."),
    "alpha": Kind("warning", "Some of the image may be transparent."),
    "sixteen-bit": Kind("warning", "Sixteen bits a channel."),
    "other-colour-space": Kind("warning", "Neither RGB, grey nor CMYK (YCbCr, Lab, HSV)."),
    "exif-rotation": Kind("warning", "The camera was turned; the pixels are stored lying on their side or mirrored."),
    "animated": Kind("warning", "Several frames or pages in one file."),
    "array": Kind("ignore", "Numbers instead of a picture: how images of other than 1 or 3 channels are given."),
    "wrong-type": Kind("warning", "The name says one image format, the content is another; it is read as what it is."),
    "near-leakage": Kind(
        "warning", "Near duplicates stand in train and in val. Leaving out removes the train ones (see near-duplicate)."
    ),
    "near-duplicate": Kind(
        "warning",
        "Images on one side that look alike: the same picture at another size, quality or brightness. Leaving out "
        "keeps the first of each group.",
        threshold=4,
        reason="Bits of 64 in which two perceptual hashes differ at most. Recompressed or resized copies differ in 0 "
        "to 2 bits, different photographs in about 32; among 100,000 random hashes no pair is this near.",
    ),
    "near-blank": Kind(
        "warning",
        "Almost one colour: nothing to see.",
        threshold=4,
        reason="Standard deviation of the grey values 0 to 255. Sensor noise and JPEG blocks alone make 1 to 3.",
    ),
    "very-dark": Kind(
        "warning",
        "Almost black.",
        threshold=12,
        reason="Mean grey value, 0 to 255. A lens cap gives 0 to 10; a night sky full of stars 15 to 25.",
    ),
    "very-bright": Kind(
        "warning",
        "Almost white.",
        threshold=243,
        reason="Mean grey value, 0 to 255: as far from white as very-dark is from black. Drawings on white paper can "
        "reach it.",
    ),
    "low-contrast": Kind(
        "warning",
        "All its tones lie close together: fog, or a fault of the exposure.",
        threshold=32,
        reason="Grey levels that hold 98 % of the pixels: an eighth of the scale. Ordinary photographs use 130 to 250.",
    ),
    "blurred": Kind(
        "warning",
        "Out of focus, or blown up from a smaller image.",
        threshold=10,
        reason="Variance of the Laplacian at a shorter side of 256 pixels. Sharp photographs have 200 to 5000; a "
        "blur of 2 pixels (sigma) leaves 3 to 18.",
    ),
    "odd-shape": Kind(
        "warning",
        "Very long: the centre square, which is all that is used, shows little of it.",
        threshold=3,
        reason="Longer side over shorter side. Above 3 more than two thirds of the image are cut off; panoramas "
        "begin at 2.",
    ),
    "odd-size": Kind(
        "warning",
        "Much smaller or larger than the others: a thumbnail or a scan among photographs.",
        threshold=4,
        reason="How many times the shorter side differs from the median one. Cameras and web sizes vary by 2 to 3.",
    ),
    "grey-as-rgb": Kind(
        "warning",
        "Stored with three channels that are all the same: no colour in it.",
        threshold=4,
        reason="Largest difference between the channels of a pixel, in levels. JPEG's rounding makes up to 3.",
    ),
    "class-imbalance": Kind(
        "warning",
        "The smallest and the largest class to train on differ much; a network learns to prefer the large ones.",
        threshold=10,
        reason="Images of the largest class over those of the smallest. ImageNet's own classes differ by 1.8.",
    ),
}
THRESHOLDS = {name: kind.threshold for name, kind in KINDS.items() if kind.threshold is not None}


@dataclass(frozen=True)
class Entry:
    """One case of a finding: the files (or folders) concerned, those to leave out, and a detail."""

    files: tuple[str, ...]
    bad: tuple[str, ...]
    detail: str = ""


@dataclass
class Policy:
    """What the user wants done: severities by name, and the findings whose files are left out."""

    severities: dict[str, str] = field(default_factory=dict)
    leave_out: frozenset[str] = frozenset()
    thresholds: dict[str, float] = field(default_factory=lambda: dict(THRESHOLDS))

    def severity(self, name: str) -> str:
        """Return 'error', 'warning', 'ignore', or 'left out'."""
        if name in self.leave_out:
            return "left out"
        return self.severities.get(name, KINDS[name].severity)

    def drops(self, name: str) -> bool:
        """Say whether the bad files of this finding stay out of the manifest."""
        return name in self.leave_out or KINDS[name].unusable


def parse_policy(severities: Iterable[str], leave_out: Iterable[str], thresholds: Iterable[str] = ()) -> Policy:
    """Read NAME=SEVERITY and NAME=NUMBER settings and the names to leave out.

    Raises UserError for an unknown name or severity, with the nearest legal one.
    """
    chosen = {}
    for setting in severities:
        name, equals, severity = setting.partition("=")
        if not equals:
            raise UserError(f"--severity is {setting!r}; it is written NAME=error, NAME=warning or NAME=ignore.")
        require_one_of("--severity names a finding that", name, KINDS)
        require_one_of(f"the severity of {name}", severity, SEVERITIES)
        chosen[name] = severity
    leave_out = frozenset(leave_out)
    for name in sorted(leave_out):
        require_one_of("--leave-out", name, KINDS)
    return Policy(chosen, leave_out, THRESHOLDS | dict(map(_threshold, thresholds)))


def _threshold(setting: str) -> tuple[str, float]:
    name, _, number = setting.partition("=")
    require_one_of("--threshold names a finding that", name, THRESHOLDS)
    low, high = {"near-duplicate": (0, 16), "grey-as-rgb": (0, 32)}.get(name, (0, math.inf))
    try:
        value = float(number)
    except ValueError:
        value = -1
    if not low <= value <= high or (name == "near-duplicate" and value % 1):
        whole = "a whole number " if name == "near-duplicate" else "a number "
        limits = f"from 0 to {high:g}" if high < math.inf else "of 0 or more"
        raise UserError(f"--threshold {setting!r}: {name} takes {whole}{limits}; the default is {THRESHOLDS[name]:g}.")
    return name, value


def conversion(name: str) -> str:
    """Return how such an image is turned into 8-bit RGB, or '' where nothing is converted."""
    return CONVERSIONS.get(name, "")


def stopping_message(root: str, findings: Mapping[str, list[Entry]], policy: Policy, report: str) -> str:
    """Return one sentence that lists the findings of severity error with their first files, or '' if there are none."""
    errors = [name for name in findings if policy.severity(name) == "error"]
    if not errors:
        return ""
    listed = "; ".join(f"{name}: {_first_files(findings[name])}" for name in errors)
    return (
        f"{root} cannot be used as it is: {listed}; mend the files, or use the rest (config: `check: {{leave_out: "
        f"[{', '.join(errors)}]}}`, by hand --leave-out {' '.join(errors)}), or let them pass (check.severity, "
        f"--severity {errors[0]}=warning; what cannot be used stays out); the whole list is in {report}."
    )


def _first_files(entries: list[Entry], most: int = 5) -> str:
    files = [
        " = ".join(map(printable, entry.files)) + (f" ({entry.detail})" if entry.detail else "") for entry in entries
    ]
    more = f" and {len(files) - most} more" if len(files) > most else ""
    return ", ".join(files[:most]) + more
