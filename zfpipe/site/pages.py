"""The folder of a gallery, put together: index.html, the page's own files, and data as scripts.

Data come as scripts that hand a value over, since a page opened from the file system may not read other files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zfpipe.files.whole import write_text
from zfpipe.site.web import assets

PAGE, DATA, PICTURES = "page", "data", "pictures"


def write_page(folder: Path, **facts: Any) -> None:
    """Write index.html, and beside it the style sheets and scripts that it loads."""
    for name in (*assets.STYLES, *assets.SCRIPTS):
        write_text(folder / PAGE / name, assets.text(name))
    write_text(folder / "index.html", assets.page(**facts))


def write_data(folder: Path, name: str, value: Mapping[str, Any]) -> None:
    """Write a value as the script data/{name}.js, which hands it to the page by this name."""
    write_text(folder / DATA / f"{name}.js", f"zfpipe.put({in_script(name)}, {in_script(value)});\n")


def in_script(value: Any) -> str:
    """Return a plain value as JSON that is safe in any script: pure ASCII, and nothing that ends a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
