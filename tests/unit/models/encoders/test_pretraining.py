"""Pre-training: the same weights again and after a kill, refusals, and that it learns age."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra deep is not installed")

from commissure.errors import ConfigError, DatasetError  # noqa: E402
from commissure.images.map_grid import MapGrid  # noqa: E402
from commissure.models.encoders import checkpoint as checkpoints  # noqa: E402
from commissure.models.encoders import pretraining  # noqa: E402
from commissure.models.encoders.encoder import weights_of  # noqa: E402
from commissure.models.encoders.map_encoder import MapScale  # noqa: E402
from commissure.models.encoders.networks import (  # noqa: E402
    arrays_of,
    map_network,
    marker_network,
    start_at_components,
)
from commissure.models.encoders.pretraining import (  # noqa: E402
    pretrain_maps,
    pretrain_markers,
    random_marker_encoder,
)
from commissure.models.encoders.settings import PretrainingSettings  # noqa: E402
from commissure.stored_arrays import read_arrays, write_arrays  # noqa: E402
from commissure.torch_device import device_named  # noqa: E402

SMALL = PretrainingSettings(hidden=16, embedding=8, batch=16, epochs=6)


def healthy(people=80, markers=12, seed=0):
    rng = np.random.default_rng(seed)
    ages = rng.uniform(18, 80, people)
    values = rng.normal(3, 2, (people, markers))
    values[:, :4] -= 0.05 * ages[:, None]
    values[rng.random(values.shape) < 0.05] = np.nan
    return values, ages


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_one_seed_gives_the_same_weights_and_another_gives_others():
    values, ages = healthy()
    first, _ = pretrain_markers(values, ages, SMALL, device="cpu")
    again, _ = pretrain_markers(values, ages, SMALL, device="cpu")
    other, _ = pretrain_markers(values, ages, SMALL.model_copy(update={"seed": 1}), device="cpu")
    assert same(first.weights, again.weights)
    assert not same(first.weights, other.weights)
    assert np.isfinite(first.embed(values)).all()


class Killed(Exception):
    pass


@pytest.mark.parametrize("after", [1, 3])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, monkeypatch, after):
    values, ages = healthy()
    whole, told = pretrain_markers(values, ages, SMALL, device="cpu")
    monkeypatch.setattr(checkpoints, "KEPT_EVERY", 0.0)
    real, done = pretraining.one_epoch, []

    def epoch(*arguments):
        if len(done) == after:
            raise Killed
        done.append(1)
        return real(*arguments)

    monkeypatch.setattr(pretraining, "one_epoch", epoch)
    checkpoint = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        pretrain_markers(values, ages, SMALL, device="cpu", checkpoint=checkpoint)
    assert checkpoint.is_file()
    monkeypatch.setattr(pretraining, "one_epoch", real)
    # Something else that draws numbers in between changes nothing.
    torch.rand(5)
    resumed, learnt = pretrain_markers(values, ages, SMALL, device="cpu", checkpoint=checkpoint)
    assert same(whole.weights, resumed.weights)
    assert learnt.losses == told.losses
    assert len(learnt.losses) == SMALL.epochs


def test_a_checkpoint_of_something_else_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "KEPT_EVERY", 0.0)
    values, ages = healthy()
    checkpoint = tmp_path / "checkpoint.npz"

    def go(values=values, **changes):
        asked = SMALL.model_copy(update=changes)
        pretrain_markers(values, ages, asked, device="cpu", checkpoint=checkpoint)

    go(epochs=2)
    with pytest.raises(DatasetError, match="another architecture: 16 x 12, 8 x 16"):
        go(hidden=20)
    with pytest.raises(DatasetError, match="other people, markers or settings"):
        go(values=values + 1.0 * (values > 3))
    with pytest.raises(DatasetError, match="other people, markers or settings"):
        go(sigma=3.0)
    with pytest.raises(DatasetError, match="holds 2 epochs"):
        go(epochs=1)
    checkpoint.write_bytes(checkpoint.read_bytes()[:300])
    with pytest.raises(DatasetError, match="cannot be read"):
        go()


def test_a_file_with_objects_in_it_is_never_opened(tmp_path):
    path = tmp_path / "checkpoint.npz"
    np.savez(path, **{"card.json": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(DatasetError, match="cannot be read"):
        read_arrays(path, "a checkpoint")
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(path, {"a": np.array([{}], dtype=object)}, {})


def test_fewer_people_than_a_batch_and_a_device_that_is_not_there_are_refused():
    values, ages = healthy(people=15)
    with pytest.raises(DatasetError, match="15 healthy people.*16 at least"):
        pretrain_markers(values, ages, SMALL, device="cpu")
    with pytest.raises(ConfigError, match="'gpu'.*auto, cpu or cuda"):
        device_named("gpu")
    if not torch.cuda.is_available():
        values, ages = healthy()
        with pytest.raises(ConfigError, match="no graphics processor"):
            pretrain_markers(values, ages, SMALL, device="cuda")


def test_the_numpy_encoder_is_the_network():
    values, ages = healthy()
    encoder = random_marker_encoder(values, ages, SMALL)
    with torch.random.fork_rng():
        torch.manual_seed(SMALL.seed)
        network = marker_network(12, SMALL)
    assert same(encoder.weights, weights_of(arrays_of(network.layers)))
    z = encoder.standardised(values)
    with torch.no_grad():
        expected = network.encoder(torch.as_tensor(z, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(encoder.embed_standardised(z), expected, atol=1e-5)


def test_people_of_one_age_come_together():
    values, ages = healthy(people=256, markers=12, seed=2)
    settings = SMALL.model_copy(update={"epochs": 40, "batch": 64})
    learnt, told = pretrain_markers(values, ages, settings, device="cpu")
    start = random_marker_encoder(values, ages, settings)
    fresh, fresh_ages = healthy(people=200, markers=12, seed=3)

    def likeness(encoder):
        z = encoder.embed(fresh)
        z = z / np.linalg.norm(z, axis=1, keepdims=True)
        apart = np.abs(fresh_ages[:, None] - fresh_ages[None])
        pairs = np.triu_indices(len(z), 1)
        return np.corrcoef((z @ z.T)[pairs], -apart[pairs])[0, 1]

    assert told.losses[-1] < told.losses[0] - 0.2
    assert likeness(learnt) > likeness(start) + 0.2


def test_an_encoder_that_begins_as_components_is_them_and_its_decoder_the_way_back():
    values, _ = healthy(markers=30)
    values = np.nan_to_num(values, nan=3.0)
    z = ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
    asked = SMALL.model_copy(update={"reconstruction": 1.0})
    network = marker_network(30, asked)
    start_at_components(network, z)
    axes = np.linalg.svd(z, full_matrices=False)[2][:8]
    with torch.no_grad():
        embedded = network.encoder(torch.as_tensor(z))
        back = network.decoder(embedded).numpy()
    np.testing.assert_allclose(embedded.numpy(), z @ axes.T, atol=1e-4)
    np.testing.assert_allclose(back, z @ axes.T @ axes, atol=1e-4)
    # Seven people have six components: the seventh number and the eighth stay as drawn.
    few = marker_network(30, asked)
    drawn = few.encoder[2].weight[6:].clone()
    start_at_components(few, z[:7])
    assert torch.equal(few.encoder[2].weight[6:], drawn)


def test_a_decoder_changes_no_drawn_weight_and_giving_back_keeps_what_contrast_loses():
    values, ages = healthy(people=200, markers=12, seed=5)
    with torch.random.fork_rng():
        torch.manual_seed(SMALL.seed)
        plain = marker_network(12, SMALL)
        torch.manual_seed(SMALL.seed)
        more = marker_network(12, SMALL.model_copy(update={"reconstruction": 1.0}))
    for name, value in plain.layers.state_dict().items():
        assert torch.equal(value, more.layers.state_dict()[name])
    wide = {"embedding": 12, "hidden": 24, "batch": 50, "epochs": 30}
    keeping = {"start": "components", "reconstruction": 100.0, "cutout": 0.1}

    def kept(**changes):
        asked = PretrainingSettings(**wide, **changes)
        encoder, _ = pretrain_markers(values, ages, asked, device="cpu")
        z, design = encoder.standardised(values), np.c_[np.ones(200), encoder.embed(values)]
        rest = z - design @ np.linalg.lstsq(design, z, rcond=None)[0]
        return 1 - (rest**2).sum() / (z**2).sum()

    assert kept(**keeping) > 0.97 > kept() + 0.02


def test_maps_are_learnt_batch_by_batch_and_the_same_again_after_a_kill(tmp_path, monkeypatch):
    full = map_network(PretrainingSettings())
    assert sum(weight.numel() for weight in full.layers.parameters()) < 1_000_000
    monkeypatch.setattr(checkpoints, "KEPT_EVERY", 0.0)
    rng = np.random.default_rng(0)
    grid = MapGrid(resolution_mm=12.0)
    ages = rng.uniform(20, 60, 10)
    people = rng.uniform(0.2, 1, (10, *grid.shape)).astype(np.float32)
    scale = MapScale.of(people, grid)
    asked = PretrainingSettings(embedding=8, batch=4, epochs=3, reconstruction=1.0)
    largest = []

    class Counted:
        def __len__(self):
            return 10

        def __getitem__(self, rows):
            largest.append(len(rows))
            return people[rows]

    whole, learnt = pretrain_maps(Counted(), ages, scale, asked, device="cpu")
    assert len(learnt.losses) == 3
    assert np.isfinite(learnt.losses).all()
    assert max(largest) <= 16
    file = tmp_path / "checkpoint.npz"
    brief = asked.model_copy(update={"epochs": 1})
    pretrain_maps(people, ages, scale, brief, device="cpu", checkpoint=file)
    resumed, _ = pretrain_maps(people, ages, scale, asked, device="cpu", checkpoint=file)
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(value, resumed.weights[name])
    with pytest.raises(DatasetError, match="other people, markers or settings"):
        pretrain_maps(people[::-1], ages, scale, asked, device="cpu", checkpoint=file)
    narrow = asked.model_copy(update={"embedding": 6})
    with pytest.raises(DatasetError, match="another architecture"):
        pretrain_maps(people, ages, scale, narrow, device="cpu", checkpoint=file)
