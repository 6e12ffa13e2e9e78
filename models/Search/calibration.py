"""Learning how likely a match is: a logistic regression on trials (see `trials`).

For each trial the document that its claim was taken out of is a match, if it was found first, and
the best other document is none; nor are the best ones for claims of other subjects. Matches and the
others count alike, so a relevance of one half says that a claim with such a match has a document as
often as not, where half of all claims have one. The coefficients are drawn to typical ones, the
more the fewer trials there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from sklearn.metrics import roc_auc_score

from models.Search.relevance import probabilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from models.Search.ranking import Ranker
    from models.Search.trials import Trial
    from models.serving import ProgressBar

    Floats = NDArray[np.float64]

LEAST_TRIALS = 10
"""With fewer the typical coefficients stay."""
PRIOR_DEVIATION = 2.0
"""How far coefficients are from the typical ones, before anything is learnt."""
PRIOR_TRIALS = 20.0
"""For how many trials that counts."""
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
BINS = 10
DEPTH = 100
"""A document that is not among so many best ones was not found."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found: the features of matches, and whether they were right."""

    features: Floats
    are_right: NDArray[np.bool_]

    @property
    def weights(self) -> Floats:
        """Such that the right and the wrong ones count alike, and all as many as there are."""
        share = self.are_right.mean()
        return np.asarray(np.where(self.are_right, 0.5 / share, 0.5 / (1 - share)))


def look(ranker: Ranker, trials: Iterable[Trial], foreign: Iterable[str], bar: ProgressBar) -> Seen:
    """What `ranker` finds in an index where the trials' documents lack their claims."""
    right: list[Floats] = []
    wrong: list[Floats] = []
    for trial in trials:
        found = ranker.candidates(trial.claim, DEPTH)
        features = found.evidence.features()
        is_own = found.rows == trial.row
        right.extend(features[:1][is_own[:1]])
        wrong.extend(features[~is_own][:1])
        bar.update(1)
    for claim in foreign:
        wrong.extend(ranker.candidates(claim, 1).evidence.features())
        bar.update(1)
    are_right = np.arange(len(right) + len(wrong)) < len(right)
    return Seen(np.array([*right, *wrong], np.float64), are_right)


def learn(seen: Seen, typical: Sequence[float]) -> tuple[float, ...]:
    """The coefficients of the most probable logistic model; see `relevance`."""
    n_right = int(seen.are_right.sum())
    if n_right < LEAST_TRIALS or n_right == len(seen.are_right):
        return tuple(typical)
    start = np.array(typical, np.float64)
    inputs = np.column_stack([np.ones(len(seen.features)), seen.features])
    signs = np.where(seen.are_right, 1.0, -1.0)
    strength = PRIOR_TRIALS / PRIOR_DEVIATION**2

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        margins = signs * (inputs @ coefficients)
        drawn = coefficients - start
        total = seen.weights @ np.logaddexp(0, -margins) + strength / 2 * (drawn @ drawn)
        pulls = -signs * seen.weights / (1 + np.exp(np.clip(margins, -50, 50)))
        return float(total), pulls @ inputs + strength * drawn

    # More evidence of any kind makes no match less likely.
    bounds = [(None, None), *([(0, None)] * seen.features.shape[1])]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return tuple(float(round(each, 6)) for each in found.x)


def report(seen: Seen, coefficients: tuple[float, ...]) -> dict[str, object]:
    """How well matches are told from others, for the training report."""
    n_right = int(seen.are_right.sum())
    facts: dict[str, object] = {"positives": n_right, "negatives": len(seen.are_right) - n_right}
    if n_right < LEAST_TRIALS or n_right == len(seen.are_right):
        return facts
    likely, weights = probabilities(seen.features, coefficients), seen.weights
    precision, recall = [], []
    for threshold in THRESHOLDS:
        is_above = likely >= threshold
        above = float(weights[is_above].sum())
        right = float(weights[is_above & seen.are_right].sum())
        precision.append(round(right / above, 4) if above else 1.0)
        recall.append(round(right / float(weights[seen.are_right].sum()), 4))
    bins = np.minimum((likely * BINS).astype(int), BINS - 1)
    calibration = [
        [
            round(float(np.average(likely[bins == each], weights=weights[bins == each])), 4),
            round(
                float(np.average(seen.are_right[bins == each], weights=weights[bins == each])), 4
            ),
            int((bins == each).sum()),
        ]
        for each in range(BINS)
        if (bins == each).any()
    ]
    return facts | {
        "auroc": round(float(roc_auc_score(seen.are_right, likely)), 4),
        "thresholds": list(THRESHOLDS),
        "precision": precision,
        "recall": recall,
        "calibration": calibration,
    }
