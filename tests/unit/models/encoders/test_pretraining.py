"""Pre-training: the same weights again and after a kill, refusals, and that it learns age."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra deep is not installed")

from commissure.errors import ConfigError, DatasetError  # noqa: E402
from commissure.models.encoders import pretraining  # noqa: E402
from commissure.models.encoders.encoder import weights_of  # noqa: E402
from commissure.models.encoders.networks import arrays_of, map_network, marker_network  # noqa: E402
from commissure.models.encoders.pretraining import (  # noqa: E402
    initial_network,
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
    monkeypatch.setattr(pretraining, "KEPT_EVERY", 0.0)
    real, done = pretraining._epoch, []

    def epoch(*arguments):
        if len(done) == after:
            raise Killed
        done.append(1)
        return real(*arguments)

    monkeypatch.setattr(pretraining, "_epoch", epoch)
    checkpoint = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        pretrain_markers(values, ages, SMALL, device="cpu", checkpoint=checkpoint)
    assert checkpoint.is_file()
    monkeypatch.setattr(pretraining, "_epoch", real)
    # Something else that draws numbers in between changes nothing.
    torch.rand(5)
    resumed, learnt = pretrain_markers(values, ages, SMALL, device="cpu", checkpoint=checkpoint)
    assert same(whole.weights, resumed.weights)
    assert learnt.losses == told.losses
    assert len(learnt.losses) == SMALL.epochs


def test_a_checkpoint_of_something_else_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining, "KEPT_EVERY", 0.0)
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
    network = marker_network(12, SMALL)
    values, ages = healthy()
    encoder = random_marker_encoder(values, ages, SMALL)
    network = initial_network("markers", 12, SMALL)
    assert same(encoder.weights, weights_of(arrays_of(network)))
    z = encoder.standardised(values)
    with torch.no_grad():
        expected = network[:3](torch.as_tensor(z, dtype=torch.float32)).numpy()
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


def test_maps_are_learnt_by_a_network_of_less_than_a_million_weights():
    full = map_network(PretrainingSettings())
    assert sum(weight.numel() for weight in full.parameters()) < 1_000_000
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(8, 16, 16, 16))
    asked = PretrainingSettings(embedding=8, batch=4, epochs=2)
    first = pretrain_maps(maps, rng.uniform(20, 60, 8), asked, device="cpu")
    assert len(first.losses) == 2
    assert np.isfinite(first.losses).all()
