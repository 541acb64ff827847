"""The page that sets runs side by side."""

from typing import Any

from zfpipe.data.page import render

TEMPLATE = "compare.html.j2"


def comparison_page(**facts: Any) -> str:
    """Return the page (compare.html.j2 says what it takes). The same facts give the same bytes."""
    return render(TEMPLATE, **facts)
