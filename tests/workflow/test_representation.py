"""``snakemake representation``: on request, on the processor, and asking for a graphics one."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from commissure.models.encoders.stored_encoder import load_encoder

pytestmark = pytest.mark.slow


@pytest.fixture
def tables(study):
    """A study of a lab's own table: 60 people, of whom every third is a patient."""
    rng = np.random.default_rng(0)
    names = [f"sub-{n:02d}" for n in range(60)]
    ages = rng.uniform(20, 70, 60)
    values = pd.DataFrame(3000 - 10 * ages[:, None] + rng.normal(0, 200, (60, 8)),
                          columns=[f"volume_{n}" for n in range(8)])  # fmt: skip
    values.insert(0, "participant_id", names)
    values.to_csv(study.folder / "volumes.tsv", sep="\t", index=False)
    pd.DataFrame({
        "participant_id": names, "age": ages, "sex": np.where(np.arange(60) % 2, "F", "M"),
        "group": np.where(np.arange(60) % 3, "control", "patient"),
    }).to_csv(study.folder / "people.tsv", sep="\t", index=False)  # fmt: skip
    study.configure(
        bids_dir=None, participants={"file": "people.tsv"}, tables=[{"file": "volumes.tsv"}],
        representation={"batch": 16, "epochs": 3, "hidden": 8, "embedding": 4},
    )  # fmt: skip
    return study


def test_an_encoder_is_learnt_on_request_and_once(tables):
    assert "representation" not in _planned(tables.snakemake("-n"))
    target = "out/representation/encoder.npz"
    if find_spec("torch") is None:
        done = tables.snakemake("--keep-going", target, check=False)
        assert "pre-training: not installed: torch" in done.stderr
        assert not (tables.out / "representation").exists()
        return
    tables.snakemake("--keep-going", target)
    card = json.loads((tables.out / "representation/encoder.json").read_text())
    assert (card["n"], card["n_digests"]) == (40, 40)
    assert len(card["losses"]) == 3
    assert load_encoder(tables.out / "representation").encoder.dimensions == 4
    done = tables.snakemake("--keep-going", "representation")
    assert "Nothing to be done" in done.stderr + done.stdout
    # Another setting of it repeats it alone.
    text = (tables.folder / "study.yaml").read_text()
    assert "epochs: 3" in text
    (tables.folder / "study.yaml").write_text(text.replace("epochs: 3", "epochs: 4"))
    assert _planned(tables.snakemake("-n", "representation")) == {"representation"}


def test_it_asks_for_a_graphics_processor_where_torch_can_use_one(tables, tmp_path, monkeypatch):
    torch = tmp_path / "stand-in/torch"
    (torch / "lib").mkdir(parents=True)
    (torch / "__init__.py").write_text("")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(torch.parent), os.environ.get("PYTHONPATH", "")])
    )
    (tables.folder / "site.yaml").write_text("gpu: require\n")
    assert "gpu=" not in _of_rule(tables.snakemake("-n", "representation"))
    (torch / "lib/libtorch_cuda.so").write_bytes(b"")
    assert "gpu=1" in _of_rule(tables.snakemake("-n", "representation"))
    (tables.folder / "site.yaml").write_text("gpu: never\n")
    assert "gpu=0" in _of_rule(tables.snakemake("-n", "representation"))


def _planned(done) -> set[str]:
    lines = (done.stdout + done.stderr).splitlines()
    return {line.split()[1].rstrip(":") for line in lines if line.startswith("rule ")}


def _of_rule(done) -> str:
    """What a dry run says of the rule."""
    text = done.stdout + done.stderr
    return text[text.index("rule representation:") :].split("\n\n")[0]
