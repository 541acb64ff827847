"""The report of a check: the same facts as JSON for programs and as one HTML page for people."""

import json
from collections import Counter
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined

from zfpipe.data.checks import Checked
from zfpipe.data.findings import KINDS, Policy, conversion
from zfpipe.data.folder import Listing
from zfpipe.data.manifest import SPLITS, split_sha256
from zfpipe.data.names import printable

MOST_SHOWN = 200  # files a finding lists on the page; the JSON file lists all


def facts_for_report(name: str, listing: Listing, checked: Checked, policy: Policy) -> dict[str, Any]:
    """Return all facts as plain values; no date and no place, so the same data set gives the same report."""
    findings = [
        {
            "name": finding,
            "severity": policy.severity(finding),
            "meaning": KINDS[finding].meaning,
            "conversion": conversion(finding),
            "left_out": policy.drops(finding),
            "count": len(entries),
            "cases": [{"files": list(entry.files), "detail": entry.detail} for entry in entries],
        }
        for finding, entries in checked.findings.items()
    ]
    splits = {split: _split(checked, split) for split in SPLITS}
    return {
        "format_version": 1,
        "data_set": name,
        "layout": listing.layout,
        "stops": any(finding["severity"] == "error" for finding in findings) or not splits["val"]["images"],
        "files": len(checked.facts),
        "splits": splits,
        "classes": _classes(checked),
        "images": _images(checked),
        "findings": findings,
        "not_found": [finding for finding in KINDS if finding not in checked.findings],
    }


def as_json(facts: dict[str, Any]) -> str:
    """Return the facts as JSON text; a name that is no UTF-8 keeps its bytes as lone surrogates, escaped."""
    return json.dumps(facts, indent=1) + "\n"


def as_html(facts: dict[str, Any]) -> str:
    """Return the facts as one HTML page that needs nothing else: no network, no script. Every name is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["printable"] = printable
    template = resources.files("zfpipe.data").joinpath("report.html.j2").read_text("utf-8")
    return environment.from_string(template).render(**facts, most_shown=MOST_SHOWN)


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
        "shorter_side": [shorter[0], shorter[len(shorter) // 2], shorter[-1]] if shorter else [],
    }
