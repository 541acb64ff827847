"""Errors that are the user's to mend: one sentence with what was asked, what was found, what would be right."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can put right. The command line prints the message alone, never a traceback."""


def nearest(word: object, legal: Iterable[object]) -> str:
    """Return ' (did you mean X?)' for the closest legal word, or '' if none is close."""
    words = {str(choice).casefold(): str(choice) for choice in legal}
    close = difflib.get_close_matches(str(word).casefold(), words, n=1, cutoff=0.6)
    return f" (did you mean {words[close[0]]!r}?)" if close else ""


def require_one_of(what: str, word: object, legal: Iterable[object]) -> None:
    """Raise UserError unless `word` is one of `legal`; `what` names the setting."""
    legal = list(legal)
    if word not in legal:
        choices = ", ".join(str(choice) for choice in legal)
        raise UserError(f"{what} is {word!r}{nearest(word, legal)}; it can be: {choices}.")


def out_of_memory(error: BaseException) -> str:
    """Return 'GPU' or 'CPU' if that is what has no memory left, else ''. Known by what PyTorch calls it, without it."""
    if type(error).__name__ == "OutOfMemoryError" or "MPS backend out of memory" in str(error):
        return "GPU"
    return "CPU" if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error) else ""
