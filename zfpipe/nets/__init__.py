"""Networks, their layers and geometry, the deconvnet, and the top-k accumulator."""
