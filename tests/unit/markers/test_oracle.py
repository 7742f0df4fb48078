"""What is learned from the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from commissure.markers.oracle import learned_from_truth, oracle_table
from commissure.rows import COLUMNS


def table(values: np.ndarray) -> pd.DataFrame:
    """Marker rows of one region, one person each."""
    frame = pd.DataFrame({"participant_id": [f"sub-{i:02d}" for i in range(len(values))]})
    frame = frame.assign(
        session="", modality="mrs", region="ACC", marker="glu", value=values,
        unit="mmol/kg", quality="ok",
    )  # fmt: skip
    return frame[list(COLUMNS)]


@pytest.mark.slow
def test_what_is_learned_from_the_truth_separates_as_the_truth_does(tmp_path):
    rng = np.random.default_rng(4)
    case = np.repeat([True, False], 60)
    frames = []
    for region, d in (("A", 1.5), ("B", 0.0), ("C", 0.0)):
        frames.append(table(rng.normal(0, 1, 120) + d * case).assign(region=region))
    truth = pd.concat(frames).sample(frac=0.95, random_state=1)  # Some are missing.
    groups = pd.DataFrame({"participant_id": table(case)["participant_id"],
                           "label": np.where(case, "resistant", "responsive")})  # fmt: skip
    learned = learned_from_truth(truth, groups, repeats=2)
    positive = learned.index.map(groups.set_index("participant_id")["label"]) == "resistant"
    auc = (learned[positive].to_numpy()[:, None] > learned[~positive].to_numpy()).mean()
    # Phi(1.5 / sqrt 2) = 0.856, less what is missing and what has to be learned; SE 0.034.
    assert 0.75 < auc < 0.93
    shuffled = groups.assign(label=rng.permutation(groups["label"]))
    nothing = learned_from_truth(truth, shuffled, repeats=2)
    positive = nothing.index.map(shuffled.set_index("participant_id")["label"]) == "resistant"
    auc = (nothing[positive].to_numpy()[:, None] > nothing[~positive].to_numpy()).mean()
    assert auc == pytest.approx(0.5, abs=0.17)
    assert learned_from_truth(truth, groups[:65]).empty
    (tmp_path / "oracle.tsv").write_text("participant_id\tscore\nsub-00\t0.5\n")
    both = oracle_table([tmp_path / "oracle.tsv"], learned.rename({learned.index[0]: "sub-00"}))
    assert both["oracle"].tolist() == [0.5] and both["learned"].notna().all()
    assert oracle_table([], learned).empty
