"""File names as text: they may hold newlines, markup, control characters, and bytes that are no UTF-8."""


def printable(name: str) -> str:
    """Return a file name fit for one line of text: control characters and bytes that are no UTF-8 escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in name)


def is_utf8(name: str) -> bool:
    """Say whether a name (as Python reads it from the disk) can stand in a UTF-8 file."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
