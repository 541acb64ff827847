"""The page that sets runs side by side, and the settings in which they differ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from zfpipe.data.page import render

TEMPLATE = "compare.html.j2"


def comparison_page(**facts: Any) -> str:
    """Return the page (compare.html.j2 says what it takes). The same facts give the same bytes."""
    return render(TEMPLATE, **facts)


def differing(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the settings in which runs differ, by their dotted names: each run's own, '' where it has none.

    `settings` has those of each run, sections in sections, as a config does.
    """
    flat = [dict(_flat(own)) for own in settings.values()]
    names = dict.fromkeys(name for own in flat for name in own)
    found = {name: [own.get(name, "") for own in flat] for name in names}
    return {name: values for name, values in found.items() if len(set(values)) > 1}


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value if isinstance(value, str) else json.dumps(value)
