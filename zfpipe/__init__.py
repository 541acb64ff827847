"""zfpipe: the deconvnet of Zeiler & Fergus (2013) as a batch pipeline."""

__version__ = "0.1.0"
