"""Where images come from: sources, checks, the manifest, batches and transforms."""
