"""What holds for all tests."""

import os


def pytest_configure(config):
    """Hide GPUs from all tests but those that are for them: what the others hold to is what a CPU computes."""
    if config.option.markexpr != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
