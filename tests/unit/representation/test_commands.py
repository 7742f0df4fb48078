"""``commissure pretrain`` and ``commissure embed``: what is written, and what is refused in words."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import DatasetError
from commissure.models.encoders.encoder import MarkerEncoder, scale_of
from commissure.models.encoders.settings import ENCODER, PretrainingSettings
from commissure.models.encoders.stored_encoder import CARD, load_encoder, store_encoder
from commissure.representation.embed import embed
from commissure.representation.pretrain import pretrain
from commissure.rows import Marker, write_markers
from commissure.study.design import DesignColumn
from commissure.transport.encoder_people import encoder_digests

REGIONS = [f"Region{number}" for number in range(12)]
SMALL = PretrainingSettings(hidden=16, embedding=8, batch=16, epochs=4)


def dataset(folder, people=60, seed=0, regions=REGIONS, unit="mm3", prefix="sub-"):
    """Markers of people of whom every third is a patient; the first of them lack a marker."""
    rng = np.random.default_rng(seed)
    names = [f"{prefix}{number:03d}" for number in range(people)]
    ages = rng.uniform(20, 70, people)
    values = 4000 + rng.normal(0, 300, (people, len(regions))) - 10 * ages[:, None]
    rows = [
        Marker(who, "", "anat", region, "volume", value, unit)
        for who, line in zip(names, values, strict=True)
        for region, value in zip(regions, line, strict=True)
        if (who, region) != (names[0], regions[0])
    ]
    write_markers(rows, folder / "markers.tsv")
    pd.DataFrame({
        "participant_id": names, "age": ages, "site": np.where(np.arange(people) % 2, "a", "b"),
        "group": np.where(np.arange(people) % 3, "control", "patient"),
    }).to_csv(folder / "participants.tsv", sep="\t", index=False)  # fmt: skip
    return names, ages, values


@pytest.fixture
def stored(tmp_path):
    """An encoder whose weights are drawn, of the controls of a dataset: needs no torch."""
    folder = tmp_path / "healthy"
    folder.mkdir()
    _, ages, values = dataset(folder)
    rng = np.random.default_rng(9)
    weights = tuple(rng.normal(size=shape) for shape in ((16, 12), (16,), (8, 16), (8,)))
    control = np.arange(60) % 3 > 0
    encoder = MarkerEncoder(*scale_of(values[control]), weights)
    encoder = encoder.with_healthy(values[control], ages[control])
    columns = [DesignColumn("anat", region, "volume") for region in REGIONS]
    digests = encoder_digests(values[control], columns, encoder)
    store_encoder(tmp_path / "encoder", encoder, columns, ["mm3"] * 12, {"n": 40}, digests)
    return tmp_path / "encoder", folder


def test_people_are_embedded_and_known_again(stored, tmp_path):
    encoder, folder = stored
    people = embed(encoder, folder, out=tmp_path / "out")
    controls = np.arange(60) % 3 > 0
    assert (people["pretrained_on"] == "yes").tolist() == controls.tolist()
    table = pd.read_csv(tmp_path / "out/embedding.tsv", sep="\t")
    assert table.shape == (60, 9)
    regions = pd.read_csv(tmp_path / "out/regions.tsv", sep="\t")
    assert len(regions) == 60 * 12 - 1
    # The same people measured anew are others: nobody of them is known.
    other = tmp_path / "other"
    other.mkdir()
    dataset(other, seed=1)
    assert (embed(encoder, other, out=tmp_path / "out")["pretrained_on"] == "no").all()


def test_an_encoder_that_may_leave_knows_nobody(stored, tmp_path):
    encoder, folder = stored
    kept = load_encoder(encoder)
    store_encoder(tmp_path / "leaves", kept.encoder, kept.columns, kept.units, {})
    assert load_encoder(tmp_path / "leaves").digests == ()
    people = embed(tmp_path / "leaves", folder, out=tmp_path / "out")
    assert (people["pretrained_on"] == "unknown").all()


def test_other_markers_atlases_and_units_are_refused_in_words(stored, tmp_path):
    encoder, _ = stored
    for changes, message in (
        ({"regions": [f"Schaefer{n}" for n in range(12)]}, "12 of the 12 markers.*template"),
        ({"regions": [*REGIONS[:-1], "Region99"]}, "1 of the 12 markers.*Region11 volume"),
        ({"unit": "ml"}, "Region0 volume: its unit is ml; mm3"),
    ):
        other = tmp_path / str(len(message))
        other.mkdir()
        dataset(other, **changes)
        with pytest.raises(DatasetError, match=message):
            embed(encoder, other, out=tmp_path / "out")


def test_a_damaged_file_and_one_of_another_kind_are_refused(stored, tmp_path):
    encoder, _ = stored
    whole = (encoder / ENCODER).read_bytes()
    (encoder / ENCODER).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="cannot be read"):
        load_encoder(encoder)
    with pytest.raises(DatasetError, match="no such file"):
        load_encoder(tmp_path / "nowhere.npz")


def test_pretraining_takes_the_controls_and_writes_its_card(tmp_path):
    pytest.importorskip("torch", reason="the extra deep is not installed")
    dataset(tmp_path)
    said = []
    out = tmp_path / "out"
    stored = pretrain(tmp_path, out=out, settings=SMALL, device="cpu", say=said.append)
    card = json.loads((out / CARD).read_text())
    assert (card["n"], card["n_sites"], card["device"]) == (40, 2, "cpu")
    assert card["settings"] == SMALL.model_dump(mode="json")
    assert len(card["losses"]) == 4
    assert card["architecture"] == [[16, 12], [16], [8, 16], [8]]
    assert sorted(path.name for path in out.iterdir()) == [CARD, ENCODER]
    first = (out / ENCODER).read_bytes()
    loaded = load_encoder(out)
    np.testing.assert_array_equal(loaded.encoder.weights[0], stored.encoder.weights[0])
    assert len(loaded.digests) == 40
    people = embed(out, tmp_path, out=out)
    assert (people["pretrained_on"] == "yes").sum() == 40
    # Speed stands in the card; everything else is the same again.
    again = pretrain(tmp_path, out=tmp_path / "again", settings=SMALL, device="cpu")
    for name, array in stored.encoder.arrays().items():
        np.testing.assert_array_equal(array, again.encoder.arrays()[name])
    assert first


def test_fewer_controls_than_a_batch_are_refused_before_anything_is_learnt(tmp_path):
    dataset(tmp_path, people=30)
    result = CliRunner().invoke(
        app, ["pretrain", str(tmp_path), "--out", str(tmp_path / "out"), "--batch", "32"]
    )
    assert result.exit_code == 1
    assert "20 healthy people have an age and markers; 32 at least" in result.stderr
    assert not (tmp_path / "out").exists()
    odd = ["pretrain", str(tmp_path), "--normalisation", "diagonal"]
    result = CliRunner().invoke(app, odd)
    assert result.exit_code == 1
    assert "normalisation" in result.stderr
