"""The report of a check: the same facts as JSON for programs and as one HTML page for people."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zfpipe.data.checks import Checked
from zfpipe.data.decode import read_rgb
from zfpipe.data.findings import KINDS, REPORT_VERSION, Policy, conversion
from zfpipe.data.folder import Listing
from zfpipe.data.manifest import SPLITS, split_sha256
from zfpipe.data.ordered import ordered_map
from zfpipe.data.page import render, thumbnail
from zfpipe.data.plots import class_plot, size_plot, sizes_of
from zfpipe.files.sums import json_with_sum

TEMPLATE = "report.html.j2"
RANK = {"error": 0, "left out": 1, "warning": 2, "ignore": 3}  # the order of findings on the page
MOST_SHOWN = 200  # cases that a finding lists on the page; the JSON file lists all
MOST_PICTURED = 24  # of them with thumbnails
MOST_FILES = 6  # of a case with thumbnails


def facts_for_report(
    name: str, listing: Listing, checked: Checked, policy: Policy, excluded: str = ""
) -> dict[str, Any]:
    """Return all facts as plain values; no date and no place, so the same data set gives the same report."""
    findings = [
        {
            "name": finding,
            "severity": policy.severity(finding),
            "meaning": KINDS[finding].meaning,
            "threshold": policy.thresholds.get("near-duplicate" if finding == "near-leakage" else finding),
            "reason": KINDS[finding].reason,
            "conversion": conversion(finding),
            "left_out": policy.drops(finding),
            "count": len(entries),
            "cases": [{"files": list(entry.files), "detail": entry.detail} for entry in entries],
        }
        for finding, entries in checked.findings.items()
    ]
    findings.sort(key=lambda finding: RANK[finding["severity"]])
    splits = {split: _split(checked, split) for split in SPLITS}
    return {
        "format_version": REPORT_VERSION,
        "data_set": name,
        "layout": listing.layout,
        "excluded": excluded,
        "stops": any(finding["severity"] == "error" for finding in findings) or not splits["val"]["images"],
        "files": len(checked.facts),
        "where": _where(listing, checked, findings),
        "splits": splits,
        "classes": _classes(checked),
        "images": _images(checked),
        "findings": findings,
        "not_found": [finding for finding in KINDS if finding not in checked.findings],
    }


def as_json(facts: dict[str, Any]) -> str:
    """Return the facts as JSON text; a name that is no UTF-8 keeps its bytes as lone surrogates, escaped."""
    return json_with_sum(facts)


def as_html(facts: dict[str, Any], thumbnails: Mapping[str, str] | None = None) -> str:
    """Return the facts as one HTML page that needs nothing else; `thumbnails` maps paths to data URIs."""
    thumbnails = thumbnails or {}
    pictured = [any(file in thumbnails for case in f["cases"] for file in case["files"]) for f in facts["findings"]]
    findings = [f | {"pictured": has} for f, has in zip(facts["findings"], pictured, strict=True)]
    limits = {"most_shown": MOST_SHOWN, "most_pictured": MOST_PICTURED, "most_files": MOST_FILES}
    plots = {"class_plot": class_plot(facts["classes"]), "size_plot": size_plot(facts["images"]["sizes"])}
    return render(TEMPLATE, **(facts | {"findings": findings}), thumbnails=thumbnails, **limits, **plots)


def thumbnails_for(root: Path, facts: dict[str, Any], checked: Checked, threads: int) -> dict[str, str]:
    """Return data URIs of the images that the page shows, by path; what cannot be decoded has none."""
    decoded = {fact.listed.path for fact in checked.facts if fact.sha256}
    paths = [path for path in dict.fromkeys(_shown(facts)) if path in decoded]
    return dict(zip(paths, ordered_map(lambda path: thumbnail(read_rgb(root / path)), paths, threads), strict=True))


def _shown(facts: dict[str, Any]) -> Iterator[str]:
    for finding in facts["findings"]:
        for case in finding["cases"][:MOST_PICTURED]:
            if not any(file.endswith("/") for file in case["files"]):  # about a class, not about images
                yield from case["files"][:MOST_FILES]


def _where(listing: Listing, checked: Checked, findings: list[dict[str, Any]]) -> dict[str, str]:
    """Return the class and side of the files that findings name, where folders do not say them."""
    if listing.layout.startswith("split by its folders"):
        return {}
    side = {row.path: row.split for row in checked.rows}
    classes = {fact.listed.path: fact.listed for fact in checked.facts}
    named = {file for finding in findings for case in finding["cases"] for file in case["files"] if file in classes}
    parts = {file: (classes[file].class_name, side.get(file) or classes[file].split) for file in sorted(named)}
    return {file: ", ".join(filter(None, part)) for file, part in parts.items()}


def _split(checked: Checked, split: str) -> dict[str, Any]:
    rows = [row for row in checked.rows if row.split == split]
    return {"images": len(rows), "sha256": split_sha256(rows)}


def _classes(checked: Checked) -> list[dict[str, Any]]:
    counts = Counter((row.class_name, row.split) for row in checked.rows)
    names = sorted({name for name, _ in counts})
    return [{"name": name, **{split: counts[name, split] for split in SPLITS}} for name in names]


def _images(checked: Checked) -> dict[str, Any]:
    decoded = [fact for fact in checked.facts if fact.sha256]
    shorter = sorted(min(fact.size) for fact in decoded)
    return {
        "formats": dict(sorted(Counter(fact.format for fact in decoded).items())),
        "modes": dict(sorted(Counter(fact.mode for fact in decoded).items())),
        "sizes": sizes_of(fact.size for fact in decoded),
        "shorter_side": [shorter[0], shorter[len(shorter) // 2], shorter[-1]] if shorter else [],
    }
