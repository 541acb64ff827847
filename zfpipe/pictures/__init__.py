"""Arrays to axes to file: pixel ranges, crops, mosaics, grids, curves."""
