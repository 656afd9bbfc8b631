"""Stage `audit`: labels that contradict what the photo looks like. Needs the extra `vision`.

Confident learning (Northcutt, Jiang, Chuang 2021) through cleanlab, on out-of-fold probabilities of a linear
classifier over embeddings; the nearest neighbours are the evidence.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from carharvest.normalize.base import Scope
from carharvest.records import Evidence, Photo, Verdict
from carharvest.settings import AuditSettings

_STRENGTH = 0.003  # of the regularisation's inverse: 1,280 features, often fewer photos
_NEIGHBOURS = 3
_BLOCK = 2000  # photos compared with all others at a time


@dataclass(frozen=True, slots=True)
class AuditStage:
    """Flags photos whose brand is probably another; with `drop`, drops them. Photos named by a person are believed.

    A brand with fewer than `min_photos` photos takes no part: nothing can be learned of it. Where the classifier agrees
    with fewer labels than `min_agreement`, it knows too little to contradict any, and nothing is said.
    """

    limits: AuditSettings
    embeddings: Callable[[Sequence[str]], np.ndarray]
    seed: int
    name: str = "audit"
    version: int = 1
    scope: Scope = "whole"

    def settings(self) -> Mapping[str, object]:
        return {**self.limits.model_dump(), "seed": self.seed}

    def run(self, photos: Iterable[Photo]) -> Iterator[Verdict]:
        judged = [p for p in photos if not p.drops and len(p.labels.get("brand", ())) == 1]
        counts = Counter(p.labels["brand"][0] for p in judged)
        brands = sorted(brand for brand, count in counts.items() if count >= max(self.limits.min_photos, 5))
        if len(brands) < 2:
            return
        judged = [p for p in judged if p.labels["brand"][0] in brands]
        features = self.embeddings([p.sha256 for p in judged])
        given = np.array([brands.index(p.labels["brand"][0]) for p in judged])
        shares = out_of_fold(features, given, self.seed)
        if (shares.argmax(axis=1) == given).mean() < self.limits.min_agreement:
            return
        suspects = np.flatnonzero(suspicious(shares, given))
        neighbours = nearest(features, suspects)
        for place, others in zip(suspects.tolist(), neighbours.tolist(), strict=True):
            likely = int(shares[place].argmax())
            if judged[place].named_by_person or likely == given[place]:
                continue
            evidence: Evidence = {
                "brand": brands[given[place]],
                "probability": round(float(shares[place, given[place]]), 4),
                "likely": brands[likely],
                "likely_probability": round(float(shares[place, likely]), 4),
                "nearest": ", ".join(f"{judged[o].sha256[:12]} {brands[given[o]]}" for o in others),
            }
            yield Verdict(judged[place].id, not self.limits.drop, "wrong-brand", evidence)


def out_of_fold(features: np.ndarray, given: np.ndarray, seed: int) -> np.ndarray:
    """(n, brands) probabilities for each photo of a classifier that has not seen it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler

    linear = LogisticRegression(C=_STRENGTH, max_iter=500, class_weight="balanced")
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = make_pipeline(Normalizer(), StandardScaler(), linear)
    return np.asarray(cross_val_predict(model, features, given, cv=folds, method="predict_proba"))


def suspicious(shares: np.ndarray, given: np.ndarray) -> np.ndarray:
    """(n,) bool: the labels that confident learning would prune."""
    from cleanlab.filter import find_label_issues

    return np.asarray(find_label_issues(given, shares, filter_by="prune_by_noise_rate", n_jobs=1))


def nearest(features: np.ndarray, places: np.ndarray) -> np.ndarray:
    """(k, 3) positions of the most alike others of (k,) photos, the nearest first, by the cosine."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    found = []
    for start in range(0, len(places), _BLOCK):
        block = places[start : start + _BLOCK]
        likeness = unit[block] @ unit.T
        likeness[np.arange(len(block)), block] = -1.0
        found.append(np.argsort(-likeness, axis=1)[:, :_NEIGHBOURS])
    return np.concatenate(found) if found else np.empty((0, _NEIGHBOURS), int)
