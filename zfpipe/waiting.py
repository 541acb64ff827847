"""How threads that compute together wait for each other."""

import os

SPINS = "10000"  # turns; of itself it goes on for 300,000, many milliseconds


def wait_briefly() -> None:
    """Let OpenMP's threads (GNU's, which PyTorch brings on Linux) sleep soon when they wait.

    Each operation ends when its last thread does. Where another program uses a core, one comes late, and the others go
    round and round on cores that it could have had. To be called before PyTorch is imported; what a user has set stays.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
