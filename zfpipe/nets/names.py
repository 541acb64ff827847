"""The layers of our own networks, by name; importing this costs nothing, so a config can be checked at once."""

FIVE_CONV = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")
OWN_LAYERS = {"zfnet": FIVE_CONV, "alexnet": FIVE_CONV}
DEFAULT_SIZE = {"zfnet": 224, "alexnet": 227}
