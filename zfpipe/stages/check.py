"""Look at every file of a data set; write the manifest and a report (HTML and JSON).

An image folder is ROOT/{train,val}/CLASS/file, or ROOT/CLASS/file, which is then split by the digest of each image:
copies stay on one side, and added images leave the others where they are. --source csv takes a table of files, the
other sources are published data sets as torchvision finds them below ROOT. Every image is decoded to its last pixel.

Each finding has a name and a severity. An error stops the run: the report is written, the manifest is not. A warning
is reported, an ignored finding is only listed. A file that cannot be decoded is never used, whatever the severity.
The findings, their severities and thresholds:

"""

import argparse
from pathlib import Path

from zfpipe.data.checks import gather, look_at_all
from zfpipe.data.findings import KINDS, parse_policy, stopping_message
from zfpipe.data.manifest import SPLITS, write_manifest
from zfpipe.data.report import as_html, as_json, facts_for_report, thumbnails_for
from zfpipe.data.sources import LISTED, list_source
from zfpipe.data.table import exclude, read_exclusions
from zfpipe.errors import UserError
from zfpipe.files.whole import write_text
from zfpipe.freed import keep_freed_memory
from zfpipe.progress import progress, say

__doc__ += "".join(
    f"  {name:<20} {kind.severity:<9} {'' if kind.threshold is None else format(kind.threshold, 'g')}".rstrip() + "\n"
    for name, kind in KINDS.items()
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `zfpipe check`."""
    add = parser.add_argument
    add("--root", type=Path, required=True, help="folder that all paths start from")
    add("--source", choices=LISTED, default="folder", help="how ROOT is laid out")
    add("--file", type=Path, metavar="CSV", help="with --source csv: path,label or path,label,split")
    add("--variant", metavar="NAME", help="imagenette: full, 320px or 160px; places365: large or 256")
    add("--download", action="store_true", help="let torchvision fetch (imagenet: unpack) a published set into ROOT")
    add("--exclude", type=Path, metavar="CSV", help="leave out the files in its column `path`")
    add("--name", help="what the report calls the data set (default: the folder's name)")
    add("--out-manifest", type=Path, required=True, help="CSV file to write: index, split, path, class, SHA-256")
    add("--out-html", type=Path, required=True, help="report for people to write")
    add("--out-json", type=Path, required=True, help="report for programs to write")
    add("--channels", type=int, default=3, metavar="C", help="channels of an image: 1 grey, 3 RGB, else .npy arrays")
    add("--min-size", type=int, default=1, metavar="PX", help="least shorter side of an image, in pixels")
    add("--val-fraction", type=float, default=0.2, help="share of each class for val, where zfpipe splits")
    add("--severity", nargs="*", action="extend", metavar="NAME=LEVEL", help="make a finding error, warning or ignore")
    add("--leave-out", nargs="*", action="extend", metavar="NAME", help="leave the bad files of these findings out")
    add("--threshold", nargs="*", action="extend", metavar="NAME=NUMBER", help="where a finding begins (table above)")
    add("--threads", type=int, default=1, help="images decoded at the same time")


def run(arguments: argparse.Namespace) -> None:
    """Write report and manifest. Raises UserError, and writes no manifest, if a finding of severity error is there."""
    policy = parse_policy(arguments.severity or (), arguments.leave_out or (), arguments.threshold or ())
    if not 0 < arguments.val_fraction < 1:
        raise UserError(f"--val-fraction is {arguments.val_fraction:g}; it must lie between 0 and 1.")
    if arguments.threads < 1:
        raise UserError(f"--threads is {arguments.threads}; it must be 1 or more.")
    keep_freed_memory()
    given = arguments
    listing = list_source(given.source, given.root, given.file, given.download, given.variant)
    excluded = exclude(listing, read_exclusions(given.exclude), str(given.exclude)) if given.exclude else []
    facts = look_at_all(given.root, listing.files, given.min_size, given.threads, given.channels)
    facts = list(progress(facts, "check", "files", len(listing.files)))
    checked = gather(listing, facts, policy, arguments.val_fraction)
    left_out = f"{len(excluded)} files excluded by {given.exclude}" if excluded else ""
    report = facts_for_report(given.name or given.root.resolve().name, listing, checked, policy, left_out)
    write_text(arguments.out_json, as_json(report))
    thumbnails = thumbnails_for(arguments.root, report, checked, arguments.threads)
    write_text(arguments.out_html, as_html(report, thumbnails))
    subject = str(given.file or given.root)
    if excluded:
        subject += f", without the {len(excluded)} files of {given.exclude},"
    message = stopping_message(subject, checked.findings, policy, str(arguments.out_html))
    _stop_if_needed(message, report, arguments)
    write_manifest(arguments.out_manifest, checked.rows)
    counts = ", ".join(f"{report['splits'][split]['images']} {split}" for split in SPLITS)
    found = ", ".join(f"{finding['name']} {finding['count']}" for finding in report["findings"]) or "no findings"
    found += f", {len(excluded)} excluded by {given.exclude}" if excluded else ""
    say(f"check: {len(report['classes'])} classes, {counts}; {found}; report {arguments.out_html}")


def _stop_if_needed(message: str, report: dict, arguments: argparse.Namespace) -> None:
    if not message and not report["splits"]["val"]["images"]:
        message = (
            f"{arguments.root} has no usable image for val; where zfpipe splits, a class needs two images. "
            f"See {arguments.out_html}."
        )
    if message:
        arguments.out_manifest.unlink(missing_ok=True)  # an older one would tell of files that are no longer so
        raise UserError(message)
