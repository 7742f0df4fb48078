"""An encoder that is averaged over sites learns what one of pooled controls does."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.federated.hospitals import MARKERS, together
from typer.testing import CliRunner

from commissure.cli import app
from commissure.federated.encoders import EncoderPlan, federated_encoder, with_healthy
from commissure.federated.site import Site
from commissure.federated.site_encoder import encoder_difference
from commissure.models.chart_sums import People
from commissure.models.encoders.encoder import MarkerEncoder, scale_of, weights_of
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.stored_encoder import load_encoder
from commissure.transport.apply import counted_markers

pytest.importorskip("torch", reason="the extra 'deep' is not installed")

WIDTH = 12
SMALL = {"epochs": 12, "batch": 16, "hidden": 24, "embedding": 8}


def healthy_sites(counts=(60, 45, 80), seed=0) -> list[Site]:
    """Controls whose markers change with age, at sites of other ages."""
    # What age does is the same in whoever is drawn.
    mixing = np.random.default_rng(99).normal(size=(3, WIDTH))
    rng = np.random.default_rng(seed)
    sites = []
    for number, n in enumerate(counts):
        age = rng.uniform(20 + 5 * number, 75, n)
        hidden = np.column_stack([(age - 45) / 15, rng.normal(size=(n, 2))])
        values = 100 + 7 * (hidden @ mixing + 0.5 * rng.normal(size=(n, WIDTH)))
        values[rng.random(values.shape) < 0.02] = np.nan
        people = People(age, np.zeros(n), np.full(n, f"site{number}", object))
        nobody = np.full(n, np.nan)
        sites.append(Site(f"site{number}", values, nobody[:, None], nobody, people=people,
                          controls=np.ones(n, bool)))  # fmt: skip
    return sites


def pooled(sites) -> tuple[np.ndarray, np.ndarray]:
    values = np.vstack([site.markers for site in sites])
    return values, np.concatenate([site.people.age for site in sites])


def averaged_alone(site, settings, local_epochs, proximal=0.0, forgets=False) -> dict:
    """Rounds of one site: its differences, added."""
    from commissure.models.encoders.local_training import (
        drawn_weights,
        flat_weights,
        shaped_weights,
    )

    mean, sd = scale_of(site.markers)
    weights = drawn_weights(WIDTH, settings)
    flat = flat_weights(weights)
    for first in range(0, settings.epochs, local_epochs):
        given = {"kept": np.arange(WIDTH), "centre": mean, "scale": sd, "batch": settings.batch,
                 "settings": settings.model_dump(mode="json"), "weights": flat, "first": first,
                 "epochs": local_epochs, "proximal": proximal, "most_change": 1e6}  # fmt: skip
        if forgets:
            given["first"] = 0
        people, arrays = encoder_difference(site, given)
        flat = flat + arrays["weighted"] / people
    return shaped_weights(flat, weights)


def test_averaging_over_one_site_is_its_own_training():
    from commissure.models.encoders.pretraining import pretrain_markers

    site = healthy_sites()[0]
    settings = PretrainingSettings(**SMALL)
    known = pretrain_markers(site.markers, site.people.age, settings, device="cpu")[1].arrays
    found = averaged_alone(site, settings, 4)
    for name, array in known.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-6)

    def apart(arrays) -> float:
        return max(float(np.abs(arrays[name] - known[name]).max()) for name in known)

    # What a mistake would do: a site that forgets its state, or is held back.
    assert apart(averaged_alone(site, settings, 4, forgets=True)) > 1e-3
    held = averaged_alone(site, settings, 4, proximal=100.0)
    assert apart(held) > 1e-3
    begun = averaged_alone(site, settings.model_copy(update={"epochs": 0}), 4)
    assert _length(held, begun) < 0.5 * _length(known, begun)


def _length(arrays, begun) -> float:
    return float(np.sqrt(sum(((arrays[n] - begun[n]) ** 2).sum() for n in arrays)))


def test_what_healthy_people_look_like_is_that_of_pooled_controls():
    sites = healthy_sites()
    values, ages = pooled(sites)
    rng = np.random.default_rng(1)
    mean, sd = scale_of(values)
    layers = (rng.normal(size=(20, WIDTH)), rng.normal(size=20), rng.normal(size=(6, 20)),
              rng.normal(size=6))  # fmt: skip
    plain = MarkerEncoder(mean, sd, layers)
    known = plain.with_healthy(values, ages)
    given = {"kept": np.arange(WIDTH), "centre": mean, "scale": sd, "batch": 16}
    found = with_healthy(together(sites), plain, [site.name for site in sites], given)
    for name in ("line", "precision", "marker_line"):
        np.testing.assert_allclose(
            getattr(found.healthy, name), getattr(known.healthy, name), rtol=1e-8, atol=1e-10
        )
    np.testing.assert_allclose(
        found.deviation(values, ages), known.deviation(values, ages), rtol=1e-8
    )


def probe_error(encoder, train, test) -> float:
    """Years by which ages are missed that a ridge reads off embeddings."""
    from sklearn.linear_model import RidgeCV

    z, years = encoder.embed(train[0]), train[1]
    model = RidgeCV(np.logspace(-2, 3, 11)).fit(z, years)
    return float(np.abs(model.predict(encoder.embed(test[0])) - test[1]).mean())


@pytest.mark.parametrize("proximal", [0.0, 0.1])
def test_three_sites_learn_what_pooled_controls_do(proximal):
    from commissure.models.encoders.pretraining import pretrain_markers, random_marker_encoder

    sites = healthy_sites()
    train, test = pooled(sites), pooled(healthy_sites((150, 150, 150), seed=1))
    errors: dict[str, list[float]] = {"pooled": [], "averaged": [], "random": []}
    for seed in range(3):
        settings = PretrainingSettings(**SMALL, seed=seed)
        errors["pooled"].append(
            probe_error(pretrain_markers(*train, settings, device="cpu")[0], train, test)
        )
        errors["random"].append(probe_error(random_marker_encoder(*train, settings), train, test))
        plan = EncoderPlan(settings.model_dump(mode="json"), 3, proximal)
        encoder, kept, names, people = federated_encoder(together(sites), plan)
        assert (len(kept), names, people) == (WIDTH, ["site0", "site1", "site2"], len(train[1]))
        errors["averaged"].append(probe_error(encoder, train, test))
    mean = {name: float(np.mean(values)) for name, values in errors.items()}
    spread = np.std(errors["pooled"] + errors["averaged"], ddof=1)
    assert abs(mean["averaged"] - mean["pooled"]) < max(2 * spread, 0.5)
    assert mean["averaged"] < 9.0  # years; ages as they are drawn miss by about 13


def test_the_command_stores_an_encoder_that_embeds(folders, tmp_path):
    arguments = ["federate", *map(str, folders), "--out", str(tmp_path / "o"), "--encoder",
                 "--permutations", "0", "--epochs", "4", "--local-epochs", "2"]  # fmt: skip
    done = CliRunner().invoke(app, [*arguments, "--batch", "10"])
    assert done.exit_code == 0, done.output
    assert "An encoder of 5 markers, averaged over" in done.output
    stored = load_encoder(tmp_path / "o" / "encoder")
    assert stored.digests == () and stored.about["averaged_over"] == ["site0", "site1", "site2"]
    assert len(stored.encoder.mean) == MARKERS and stored.encoder.healthy is not None
    told = counted_markers(folders[0] / "markers.tsv")[0]["value"].to_numpy(float)
    held = np.concatenate([np.ravel(array) for array in stored.encoder.arrays().values()])
    assert not np.isin(told, held).any()
    embedded = CliRunner().invoke(
        app, ["embed", str(tmp_path / "o" / "encoder"), str(folders[0]), "--out", str(tmp_path)]
    )
    assert embedded.exit_code == 0, embedded.output
    few = CliRunner().invoke(app, [*arguments, "--batch", "64"])
    assert few.exit_code == 0 and "No encoder:" in few.output
    result = json.loads((tmp_path / "o" / "federated.json").read_text())
    assert "at least 2: a sum over few sites" in result["encoder"]["reason"]
    private = CliRunner().invoke(
        app, [*arguments, "--epsilon", "1", "--scale", str(tmp_path / "s")]
    )
    assert private.exit_code == 1


def test_a_site_with_fewer_controls_than_a_batch_is_left_out():
    sites = healthy_sites((60, 45, 80, 40))
    sites[3] = replace(sites[3], controls=np.arange(40) < 15)
    plan = EncoderPlan({**PretrainingSettings(**SMALL).model_dump(mode="json"), "epochs": 1}, 1)
    encoder, _, names, people = federated_encoder(together(sites), plan)
    assert names == ["site0", "site1", "site2"] and people == 185
    assert len(weights_of(encoder.arrays())) == 4


def test_a_masked_encoder_is_that_in_the_clear(tmp_path):
    masks = pytest.importorskip("commissure.federated.masks", reason="no cryptography")
    from commissure.federated.masked_rounds import MaskedRounds

    plan = EncoderPlan({**PretrainingSettings(**SMALL).model_dump(mode="json"), "epochs": 4}, 2)
    known = federated_encoder(together(healthy_sites()), plan)[0]
    rounds = MaskedRounds()
    session = rounds.begin()
    sites = [replace(site, masks=masks.Masks(site.name)) for site in healthy_sites()]
    keys = {site.name: site.masks.key(session) for site in sites}
    for site in sites:
        site.masks.meet(keys)
    found = federated_encoder(together(sites, masked=rounds), plan)[0]
    for name, array in known.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array)
