"""Maps of grey matter: volume kept, place found, and what is refused in words."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tests.unit.representation.grey_matter_run import SHIFT_MM, lay_person, run_folder
from typer.testing import CliRunner

from commissure.cli import app
from commissure.errors import ConfigError, DatasetError, QualityError
from commissure.files import read_table
from commissure.images.map_grid import MapGrid
from commissure.images.template import template
from commissure.models.encoders.encoder import HealthyReference
from commissure.models.encoders.map_encoder import MapEncoder, MapScale, check_grid
from commissure.models.encoders.settings import ENCODER, PretrainingSettings
from commissure.models.encoders.stored_encoder import CARD, load_encoder
from commissure.models.encoders.stored_map_encoder import (
    is_of_maps,
    load_map_encoder,
    store_map_encoder,
)
from commissure.representation.embed_maps import embed_maps
from commissure.representation.grey_matter import MADE, grey_matter_map, read_maps
from commissure.representation.people import read_marked_people
from commissure.representation.pretrain_maps import pretrain_maps
from commissure.representation.regions import grey_regions

GRID = MapGrid(resolution_mm=12.0)
SMALL = PretrainingSettings(embedding=8, batch=8, epochs=3)


def centre_mm(image, affine):
    where = np.argwhere(image > 0)
    return np.average(where @ affine[:3, :3].T + affine[:3, 3], axis=0, weights=image[image > 0])


def test_the_box_holds_the_brain_and_voxels_divide_it():
    for resolution, edge in ((3.0, 64), (4.0, 48), (6.0, 32), (12.0, 16)):
        grid = MapGrid(resolution_mm=resolution)
        assert grid.shape == (edge,) * 3
        low = grid.affine[:3, :3] @ np.full(3, -0.5) + grid.affine[:3, 3]
        np.testing.assert_allclose(low, [-96, -112, -91])
    brain = np.argwhere(template("mask").get_fdata() > 0)
    places = brain @ template("mask").affine[:3, :3].T + template("mask").affine[:3, 3]
    assert (places > low).all() and (places < low + 192).all()
    assert MapGrid.of_card(json.loads(json.dumps(GRID.card()))) == GRID
    with pytest.raises(ConfigError, match="voxels of 5 mm.*3, 4, 6, 12"):
        MapGrid(resolution_mm=5.0)


@pytest.mark.parametrize("scale", [1.0, 1.15])
@pytest.mark.parametrize("smoothing", [0.0, 12.0])
def test_a_map_lies_where_the_template_does_and_sums_to_the_persons_volume(
    tmp_path, scale, smoothing
):
    image = template("GM", resolution_mm=4.0)
    files = lay_person(tmp_path, "sub-01", image.get_fdata(), affine=image.affine, scale=scale)
    grid = MapGrid(smoothing_mm=smoothing)
    made = grey_matter_map(files, grid)
    volume = image.get_fdata().sum() * 64 * scale**3
    assert made.sum() * 64 == pytest.approx(volume, rel=0.01)
    expected = centre_mm(image.get_fdata(), image.affine)
    np.testing.assert_allclose(centre_mm(made, grid.affine), expected, atol=0.5)
    assert np.abs(SHIFT_MM).min() > 3


def test_a_transform_that_leads_elsewhere_is_refused(tmp_path):
    image = template("GM", resolution_mm=8.0)
    away = image.affine.copy()
    away[0, 3] += 90
    files = lay_person(tmp_path, "sub-01", image.get_fdata(), affine=away)
    with pytest.raises(QualityError, match="of its grey matter lies outside.*2% at most"):
        grey_matter_map(files, GRID)


def test_regions_are_shares_and_none_is_lost_on_a_coarse_grid():
    for resolution in (4.0, 12.0):
        names, shares = grey_regions(MapGrid(resolution_mm=resolution))
        assert {"Hippocampus_L", "Hippocampus_R", "Accumbens_L", "superiorfrontal_R"} <= set(names)
        assert "CerebralWM_L" not in names
        assert (shares.sum(axis=(1, 2, 3)) > 0).all()
        total = shares.sum(axis=0)
        assert ((np.abs(total - 1) < 1e-5) | (total == 0)).all()
        left = shares[names.index("Hippocampus_L")]
        x = centre_mm(left, MapGrid(resolution_mm=resolution).affine)[0]
        assert -35 < x < -15


def test_maps_are_made_once_and_again_when_a_file_has_changed(tmp_path, monkeypatch):
    names, _ = run_folder(tmp_path, people=3)
    people = read_marked_people(tmp_path)
    maps, numbers, cautions = read_maps(tmp_path, people, resolution_mm=12.0)
    assert numbers.tolist() == [0, 1, 2]
    assert cautions == []
    assert maps[np.array([0, 2])].shape == (2, 16, 16, 16)
    made = {path: path.stat().st_mtime_ns for path in maps.files}
    gm = tmp_path / names[1] / "anat" / f"{names[1]}_label-GM_probseg.nii.gz"
    gm.write_bytes(gm.read_bytes())
    again, _, _ = read_maps(tmp_path, people, resolution_mm=12.0)
    assert [path in made for path in again.files] == [True, False, True]
    assert len(list((tmp_path / MADE).rglob("*.npy"))) == 3
    elsewhere, _, _ = read_maps(tmp_path, people, GRID, work=tmp_path / "w")
    np.testing.assert_array_equal(elsewhere[np.arange(3)], again[np.arange(3)])


def test_who_has_no_map_is_left_out_with_a_sentence_and_two_maps_are_refused(tmp_path):
    names, _ = run_folder(tmp_path, people=3)
    folder = tmp_path / names[2] / "anat"
    gm = folder / f"{names[2]}_label-GM_probseg.nii.gz"
    gm.rename(folder / f"{names[2]}_acq-a_label-GM_probseg.nii.gz")
    people = read_marked_people(tmp_path)
    (folder / f"{names[2]}_acq-b_label-GM_probseg.nii.gz").write_bytes(b"")
    with pytest.raises(DatasetError, match="sub-02: 2 maps of grey matter"):
        read_maps(tmp_path, people, GRID)
    for path in folder.glob("*probseg.nii.gz"):
        path.unlink()
    _, numbers, cautions = read_maps(tmp_path, people, GRID)
    assert numbers.tolist() == [0, 1]
    assert "sub-02 have no T1w image" in cautions[0]


def test_another_template_space_is_refused_with_both_names(tmp_path):
    run_folder(tmp_path, people=2, space="MNI152NLin2009cAsym")
    people = read_marked_people(tmp_path)
    with pytest.raises(DatasetError, match="to MNI152NLin2009cAsym.*MNI152NLin2009aSym"):
        read_maps(tmp_path, people, GRID)
    maps, _, _ = read_maps(tmp_path, people, resolution_mm=12.0)
    assert maps.grid.space == "MNI152NLin2009cAsym"
    for wrong in (maps.grid, MapGrid(resolution_mm=12.0, smoothing_mm=4.0), MapGrid()):
        with pytest.raises(DatasetError, match=f"{wrong}|48 x|another grid"):
            check_grid(maps if wrong == maps.grid else _Lying(wrong), GRID)
    with pytest.raises(DatasetError, match="16 x 16 x 16 voxels.*voxels of 4 mm"):
        check_grid(np.zeros((2, 16, 16, 16)), MapGrid())


class _Lying:
    """Maps that say on which grid they lie."""

    def __init__(self, grid):
        self.grid = grid

    def __len__(self):
        return 1

    def __getitem__(self, rows):
        return np.zeros((len(rows), *self.grid.shape), np.float32)


def drawn_encoder(people):
    """An encoder that nobody learnt: reading and refusing it needs no torch."""
    scale = MapScale.of(people, GRID)
    healthy = HealthyReference(
        np.zeros((2, 8)), np.eye(8), np.zeros((2, int(scale.mask.sum())), np.float32)
    )
    return MapEncoder(scale, {"0.weight": np.ones((16, 1, 3, 3, 3))}, 8, healthy)


def test_a_stored_encoder_is_known_by_its_kind_and_other_shapes_are_refused(tmp_path):
    people = np.random.default_rng(0).uniform(0.2, 1, (5, *GRID.shape))
    encoder, scale = drawn_encoder(people), (np.ones(2), np.ones(2))
    store_map_encoder(tmp_path, encoder, ["a", "b"], scale, {"n": 5}, ["d"])
    assert is_of_maps(tmp_path)
    loaded = load_map_encoder(tmp_path)
    assert (loaded.regions, loaded.digests) == (("a", "b"), ("d",))
    assert loaded.encoder.scale.grid == GRID
    with pytest.raises(DatasetError, match="encoder of maps, format 1; one of markers"):
        load_encoder(tmp_path)
    for wrong, message in (
        ({"dimensions": "x"}, "invalid literal"), ({"regions": ["a"]}, "other regions"),
        ({"architecture": {"0.weight": [1]}}, "other layers"), ({"grid": {}}, "'space'"),
    ):  # fmt: skip
        content = {**json.loads((tmp_path / CARD).read_text()), **wrong}
        _with_card(tmp_path / ENCODER, content, tmp_path / "other.npz")
        with pytest.raises(DatasetError, match=f"another architecture.*{message}"):
            load_map_encoder(tmp_path / "other.npz")


def _with_card(path, card, to):
    from commissure.stored_arrays import read_arrays, write_arrays

    arrays, _ = read_arrays(path, "an encoder")
    write_arrays(to, arrays, card)


def test_few_controls_are_refused_before_a_map_is_made(tmp_path):
    pytest.importorskip("torch", reason="the extra deep is not installed")
    run_folder(tmp_path, people=5)
    command = ["pretrain", str(tmp_path), "--maps", "--batch", "8", "--out", str(tmp_path / "o")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "4 healthy people have an age; 8 at least" in result.stderr
    assert not (tmp_path / MADE).exists()


def test_without_torch_it_is_said_what_to_install(tmp_path, monkeypatch):
    run_folder(tmp_path, people=3)
    monkeypatch.setattr("commissure.torch_device.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pre-training: not installed: torch.*EXTRAS"):
        pretrain_maps(tmp_path, out=tmp_path / "o", settings=SMALL, resolution_mm=12.0)
    with pytest.raises(ConfigError, match="encoder of maps: not installed: torch"):
        embed_maps(tmp_path, tmp_path, out=tmp_path / "e")


def test_maps_are_learnt_and_embedded_and_the_region_that_is_lost_is_named(tmp_path):
    pytest.importorskip("torch", reason="the extra deep is not installed")
    names, shares = grey_regions(GRID)
    image = template("GM", resolution_mm=8.0)
    step = np.linalg.inv(GRID.affine) @ image.affine

    def spoil(number, gm, affine):
        if number % 5:
            return gm
        where = np.indices(gm.shape).reshape(3, -1).T @ step[:3, :3].T + step[:3, 3]
        voxel = np.clip(np.rint(where).astype(int), 0, 15)
        share = shares[names.index("superiortemporal_L")][tuple(voxel.T)].reshape(gm.shape)
        return gm * (1 - 0.8 * share)

    people, _ = run_folder(tmp_path / "run", people=60, spoil=spoil)
    command = ["pretrain", str(tmp_path / "run"), "--maps", "--resolution-mm", "12", "--batch",
               "16", "--epochs", "4", "--out", str(tmp_path / "encoder")]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    card = json.loads((tmp_path / "encoder" / CARD).read_text())
    assert (card["n"], card["kind"], card["grid"]) == (48, "maps", GRID.card())
    assert sorted(p.name for p in (tmp_path / "encoder").iterdir()) == [CARD, ENCODER]
    command = ["embed", str(tmp_path / "encoder"), str(tmp_path / "run"), "--out", str(tmp_path)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    assert read_table(tmp_path / "embedding.tsv").shape == (60, 65)
    about = read_table(tmp_path / "people.tsv").set_index("participant_id")
    patients = people[::5]
    assert (about["pretrained_on"] == "no").sum() == 12
    assert (about.loc[patients, "pretrained_on"] == "no").all()
    healthy = about.drop(index=patients)["deviation"]
    assert healthy.mean() == pytest.approx(1.0, abs=0.3)
    assert about.loc[patients, "deviation"].median() > 2 * healthy.median()
    regions = read_table(tmp_path / "regions.tsv")
    assert set(regions["region"]) == set(names)
    table = regions.pivot_table(index="participant_id", columns="region", values="added")
    first = table.loc[patients].idxmax(axis=1)
    assert (first == "superiortemporal_L").mean() > 0.5
