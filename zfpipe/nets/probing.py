"""Linear classifiers on features: how well a layer tells the classes of another data set apart (paper, 4.3 and 4.4).

scikit-learn's: a linear SVM (one against all others, squared hinge loss) and a softmax. Both have an L2 penalty of
weight 1/C. The paper says of neither how it was regularised; here C is chosen by threefold cross-validation among the
training images, from a list.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

CLASSIFIERS = ("svm", "softmax")
FOLDS = 3


@dataclass(frozen=True)
class Probed:
    """One classifier's outcome: `accuracy` is the mean over classes of the part that is right; `c` was chosen."""

    accuracy: float
    c: float
    converged: bool


def standardised(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features (N, F) and (M, F) with the training images' mean and spread taken out, and of length about 1.

    Of length 1, so that C means the same in every layer. Where there are fewer images than features, they are turned
    onto the directions that the training images span (PCA, none left out): products between vectors stay, so a linear
    classifier with an L2 penalty gives the same answers, and works on N numbers in place of F.
    """
    steps = [StandardScaler(), PCA(svd_solver="full")] if train.shape[0] < train.shape[1] else [StandardScaler()]
    with np.errstate(invalid="ignore"):  # where a layer is dead, PCA divides nothing by nothing for a number of no use
        pipeline = make_pipeline(*steps).fit(train)
    return tuple(pipeline.transform(each).astype(np.float64) / np.sqrt(train.shape[1]) for each in (train, test))


def classifier(name: str, c: float) -> ClassifierMixin:
    """Return a linear classifier of CLASSIFIERS, untrained."""
    if name == "svm":
        return LinearSVC(C=c, dual=False, max_iter=5000)
    return LogisticRegression(C=c, max_iter=5000)


def probe(
    name: str,
    train: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    truth: np.ndarray,
    strengths: Sequence[float],
    seed: int,
) -> Probed:
    """Train on standardised features (N, F) with labels (N,), test on (M, F) with `truth` (M,).

    C is the best of `strengths` in cross-validation (of equal ones, the smallest). With one image a class there is
    nothing to hold back: then it is the middle one.
    """
    strengths, folds = sorted(strengths), min(FOLDS, int(np.bincount(labels).min()))
    c = strengths[(len(strengths) - 1) // 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if len(strengths) > 1 and folds > 1:
            held = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32)
            search = GridSearchCV(classifier(name, c), {"C": strengths}, cv=held, refit=False).fit(train, labels)
            c = search.best_params_["C"]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ConvergenceWarning)
        found = classifier(name, c).fit(train, labels).predict(test)
    converged = not any(issubclass(one.category, ConvergenceWarning) for one in told)
    return Probed(float(balanced_accuracy_score(truth, found)), float(c), converged)
