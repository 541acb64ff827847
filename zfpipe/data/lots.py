"""Random choices that only a seed decides: the same with every release of every library."""

import hashlib


def lot(seed: int, number: int) -> bytes:
    """Return the lot that a number draws. Those with the least lots are chosen, so a larger choice keeps the smaller.

    A digest, not a random generator, whose numbers change from release to release.
    """
    return hashlib.sha256(f"{seed} {number}".encode()).digest()
