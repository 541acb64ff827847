"""docs/data.md says of every finding and source what the code says."""

import re
from pathlib import Path

from zfpipe.data.findings import KINDS
from zfpipe.data.sources import LISTED, WRITTEN

PAGE = (Path(__file__).parents[2] / "docs/data.md").read_text()


def test_every_finding_stands_in_the_table_as_it_is():
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| ((?:error|warning|ignore) \| .*) \|$", PAGE, re.MULTILINE))
    expected = {
        name: f"{kind.severity} | {'' if kind.threshold is None else format(kind.threshold, 'g')} | "
        + f"{kind.meaning} {kind.reason}".strip()
        for name, kind in KINDS.items()
    }
    assert rows == expected


def test_every_source_stands_in_the_table():
    for source in (*LISTED, *WRITTEN):
        assert f"`{source}`" in PAGE
