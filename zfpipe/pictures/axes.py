"""How the axes of curves are laid out, in figures and on pages."""

from collections.abc import Sequence

WIDE = 50  # the largest value over the smallest from which smaller ones would lie flat on zero


def wide(values: Sequence[float]) -> bool:
    """Whether values are seen on a logarithmic axis alone."""
    return min(values, default=0) > 0 and max(values) > WIDE * min(values)
