"""The folder of a gallery, put together: index.html, the page's own files, and data as scripts.

Data come as scripts that hand a value over, since a page opened from the file system may not read other files. The
folder is written aside and put in place whole (`whole_folder`), so its files are written plainly.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zfpipe.site.web import assets

PAGE, DATA, PICTURES = "page", "data", "pictures"


def write_page(folder: Path, **facts: Any) -> None:
    """Write index.html, and beside it the style sheets and scripts that it loads."""
    for name in (*assets.STYLES, *assets.SCRIPTS):
        (folder / PAGE / name).write_text(assets.text(name), "utf-8")
    (folder / "index.html").write_text(assets.page(**facts), "utf-8")


def write_data(folder: Path, name: str, value: Mapping[str, Any]) -> None:
    """Write a value as the script data/{name}.js, which hands it to the page by this name."""
    (folder / DATA / f"{name}.js").write_text(f"zfpipe.put({in_script(name)}, {in_script(value)});\n", "utf-8")


def in_script(value: Any) -> str:
    """Return a plain value as JSON that is safe in any script: pure ASCII, and nothing that ends a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
