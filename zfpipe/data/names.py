"""File names as text: they may hold newlines, markup, control characters, and bytes that are no UTF-8."""


def printable(name: str) -> str:
    """Return a file name fit for one line of text: control characters and bytes that are no UTF-8 escaped."""
    return "".join(char if char.isprintable() else _escaped(char) for char in name)


def _escaped(char: str) -> str:
    byte = ord(char) - 0xDC00  # how Python reads a byte that is no UTF-8
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else repr(char)[1:-1]


def is_utf8(name: str) -> bool:
    """Say whether a name (as Python reads it from the disk) can stand in a UTF-8 file."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
