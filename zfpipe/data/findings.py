"""Everything that a check can find: a name, what it means, whether it stops the run, what to do about it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from zfpipe.data.decode import CONVERSIONS
from zfpipe.data.names import printable
from zfpipe.errors import UserError, require_one_of

SEVERITIES = ("error", "warning", "ignore")


@dataclass(frozen=True)
class Kind:
    """A kind of finding. A file with an `unusable` one never enters the manifest, whatever the severity."""

    severity: str
    meaning: str
    unusable: bool = False


KINDS = {
    "unreadable": Kind("error", "The file cannot be opened: no permission, a broken link, a fault of the disk.", True),
    "truncated": Kind("error", "The image ends early or is damaged: its pixels cannot all be decoded.", True),
    "not-an-image": Kind("error", "The name says image, the content is none.", True),
    "decompression-bomb": Kind("error", "The image claims so many pixels that decoding could fill the memory.", True),
    "unsupported-mode": Kind("error", "Floating-point or 32-bit values, whose black and white are not known.", True),
    "name-not-utf8": Kind("error", "The name is not valid UTF-8, so no text file can hold it; rename it.", True),
    "too-small": Kind("error", "The shorter side is less than the network's input; it would be blown up."),
    "label-conflict": Kind("error", "The same pixels stand in several classes. Leaving out removes every copy."),
    "leakage": Kind("error", "The same pixels stand in train and in val. Leaving out removes the train copies."),
    "empty-class": Kind("error", "A class folder without one usable image."),
    "class-only-in-val": Kind("error", "The class has val images but none to train on."),
    "class-only-in-train": Kind("warning", "The class has train images but none to validate with."),
    "no-train": Kind("warning", "There is no train side at all: only given weights can be used."),
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
}


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

    def severity(self, name: str) -> str:
        """Return 'error', 'warning', 'ignore', or 'left out'."""
        if name in self.leave_out:
            return "left out"
        return self.severities.get(name, KINDS[name].severity)

    def drops(self, name: str) -> bool:
        """Say whether the bad files of this finding stay out of the manifest."""
        return name in self.leave_out or KINDS[name].unusable


def parse_policy(severities: Iterable[str], leave_out: Iterable[str]) -> Policy:
    """Read NAME=SEVERITY settings and the names to leave out.

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
    return Policy(chosen, leave_out)


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
        f"{root} cannot be used as it is: {listed}; mend the files, or add --leave-out {' '.join(errors)} to use the "
        f"rest, or --severity {errors[0]}=warning to go on; the whole list is in {report}."
    )


def _first_files(entries: list[Entry], most: int = 5) -> str:
    files = [
        " = ".join(map(printable, entry.files)) + (f" ({entry.detail})" if entry.detail else "") for entry in entries
    ]
    more = f" and {len(files) - most} more" if len(files) > most else ""
    return ", ".join(files[:most]) + more
