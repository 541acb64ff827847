"""What stands on disk: whole-file writing, HDF5, checkpoints, digests."""
