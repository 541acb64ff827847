"""How a measurement ends that cannot be made: in one sentence, as the stages do."""

import contextlib
import sys
from collections.abc import Iterator

from zfpipe.errors import UserError


@contextlib.contextmanager
def told() -> Iterator[None]:
    """End the process with a sentence where a setting or a place to write is wrong, and without one on Ctrl-C."""
    try:
        yield
    except (UserError, OSError) as error:
        sys.exit(f"benchmarks: error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
