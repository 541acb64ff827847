"""The paper's own accuracies on other data sets (tables 4 and 7), by data set, layer, classifier and images a class."""

# In percent, means over classes; the network is ZFNet, trained on ImageNet 2012. Layers by number.
TABLE_7 = {
    ("caltech101", 30): {
        "svm": {1: 44.8, 2: 66.2, 3: 72.3, 4: 76.6, 5: 86.2, 7: 85.5},
        "softmax": {5: 82.9, 7: 85.4},
    },
    ("caltech256", 60): {
        "svm": {1: 24.6, 2: 39.6, 3: 46.0, 4: 51.3, 5: 65.6, 7: 71.7},
        "softmax": {5: 65.7, 7: 72.6},
    },
}
# A softmax on layer 7; table 7 has it again for 30 images, a little lower.
PRETRAINED = {("caltech101", 15): 83.8, ("caltech101", 30): 86.5}
SCRATCH = {("caltech101", 15): 22.8, ("caltech101", 30): 46.5}
KNOWN = ("caltech101", "caltech256")


def papers_accuracy(dataset: str | None, network: str, layer: str, classifier: str, count: int) -> float | None:
    """Return the paper's accuracy (0 to 1) where it has one for such a row, else None.

    `network` is 'trained', 'random' or 'scratch'; layers of our own networks (conv1, fc7) are the paper's by number.
    """
    key, number = (dataset, count), int(layer[-1]) if layer[:-1] in ("conv", "fc") else None
    if network == "scratch":
        percent = SCRATCH.get(key)
    elif network == "trained":
        percent = TABLE_7.get(key, {}).get(classifier, {}).get(number)
        if (classifier, number) == ("softmax", 7):
            percent = PRETRAINED.get(key, percent)
    else:
        percent = None
    return None if percent is None else percent / 100
