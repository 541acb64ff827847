"""Where images come from. After a source, everything speaks of (split, path below a root, class)."""

from pathlib import Path

from zfpipe.data.folder import Listing, list_folder
from zfpipe.data.published import IN_ARRAYS, IN_FILES, PUBLISHED, list_published
from zfpipe.data.table import list_table
from zfpipe.errors import UserError

LISTED = ("folder", "csv", *IN_FILES)  # read where they stand
WRITTEN = {"photographs": "photographs", **dict.fromkeys(IN_ARRAYS, "unpack")}  # -> the stage that makes a folder


def list_source(source: str, root: Path, file: Path | None, download: bool, variant: str | None) -> Listing:
    """List a source of LISTED. Raises UserError for what is not there."""
    if source == "csv":
        if file is None:
            raise UserError("--source csv needs --file, a CSV with the columns path,label or path,label,split.")
        return list_table(file, root)
    if source in PUBLISHED:
        return list_published(source, root, download, variant)
    return list_folder(root)
