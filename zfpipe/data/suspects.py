"""Which given labels a network finds unlikely: confident learning (Northcutt, Jiang & Chuang 2021), by cleanlab.

The threshold of a class is the network's mean probability of it over the images that bear its name. An image whose
likeliest class among those above their thresholds is not its own, nor the network's answer its own, is a suspect.
"""

from dataclasses import dataclass

import numpy as np

from zfpipe.errors import UserError

TEMPLATE = "audit.html.j2"  # named here, beside it, so that the digest of the stage's code sees its changes


@dataclass(frozen=True)
class Audited:
    """For each image (N,): the network's answer, the probability of the given class, the lead of it over all others."""

    suggested: np.ndarray
    self_confidence: np.ndarray
    margin: np.ndarray  # negative where another class is likelier
    suspect: np.ndarray  # bool

    def ranked(self) -> np.ndarray:
        """Return the places of the suspects, the least confident first; of equal ones the first image."""
        places = np.flatnonzero(self.suspect)
        return places[np.argsort(self.self_confidence[places], kind="stable")]


def audit_labels(labels: np.ndarray, probabilities: np.ndarray) -> Audited:
    """Judge labels (N,) by probabilities (N, classes). A class without images suspects nobody."""
    from cleanlab.filter import find_label_issues  # here, since it takes a second

    own = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    others = probabilities.copy()
    np.put_along_axis(others, labels[:, None], -1, axis=1)
    if len(np.unique(labels)) > 1:
        suspect = find_label_issues(labels, probabilities, filter_by="confident_learning", n_jobs=1)
    else:
        suspect = np.zeros(len(labels), bool)
    return Audited(probabilities.argmax(axis=1), own, own - others.max(axis=1), np.asarray(suspect, bool))


def labels_for(given: np.ndarray, classes: list[str], outputs: list[str]) -> np.ndarray:
    """Turn labels of the data set into places among the network's outputs, by the names of both."""
    if len(outputs) < 2:
        raise UserError(f"The network has {len(outputs)} output; to judge labels it has to know two classes at least.")
    missing = [name for name in classes if name not in outputs]
    if missing:
        raise UserError(
            f"The network's outputs are not the data set's classes: it knows {len(outputs)}, without "
            f"{', '.join(missing[:3])}; this needs a network that was trained on these classes."
        )
    return np.array([outputs.index(name) for name in classes], np.int64)[given]
