"""What the demo says is computed as it says."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mutua._demo_parts import auroc


@pytest.mark.parametrize("ties", [False, True])
def testauroc(ties: bool) -> None:
    random = np.random.default_rng(0)
    score = random.integers(0, 5, 40).astype(float) if ties else random.normal(size=40)
    of = random.random(40) < 0.3
    assert auroc(score, of) == pytest.approx(roc_auc_score(of, score))
    assert auroc(of.astype(float), of) == 1
