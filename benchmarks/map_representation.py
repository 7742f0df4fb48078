"""What an encoder of grey-matter maps is worth beside linear models on the same maps.

``python benchmarks/map_representation.py``. Needs torch. People are simulated: the template's grey
matter, thinned by age, with smooth modes in which people differ, smooth noise, and the site's own
gain. Encoders, PCA and an encoder with drawn weights see healthy people only. Reported are the age
error of a ridge regression in new people, the AUC of a probe that learns a planted focal atrophy from
few labels, the accuracy of a probe of the site, and how often the map of a person names the one
region that was thinned in them. ``--speed`` gives volumes a second of the network on the device.
"""

from __future__ import annotations

import argparse
import os
import time
from importlib.util import find_spec

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from representation import interval, probe, site_accuracy
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score

from commissure.images.grid import resample_to
from commissure.images.map_grid import MapGrid
from commissure.images.template import template
from commissure.models.encoders.map_encoder import MapEncoder, MapScale
from commissure.models.encoders.pretraining import pretrain_maps, random_map_encoder
from commissure.models.encoders.settings import PretrainingSettings
from commissure.representation.regions import grey_regions

#: Region in which patients lose grey matter, and the regions of which healthy-looking people lose one.
LOST = "Hippocampus_L"
MODES = 12


class Heads:
    """People of one world: grey matter that ages and differs smoothly, and sites with gains."""

    def __init__(self, seed: int, grid: MapGrid, sites: int = 4) -> None:
        self.rng, self.grid = np.random.default_rng([seed, 48]), grid
        self.base = np.clip(
            resample_to(template("GM", resolution_mm=grid.resolution_mm), grid.shape, grid.affine),
            0, 1,
        )  # fmt: skip
        self.modes = np.stack([self.smooth(18.0) for _ in range(MODES)])
        self.aging = -0.003 * (1 + 0.5 * self.smooth(24.0))
        self.gains = 0.04 * np.stack([self.smooth(30.0) for _ in range(sites)])
        self.names, self.shares = grey_regions(grid)

    def smooth(self, fwhm_mm: float) -> np.ndarray:
        """A field of unit variance."""
        field = gaussian_filter(
            self.rng.normal(size=self.grid.shape), fwhm_mm / 2.355 / self.grid.resolution_mm
        )
        return field / field.std()

    def drawn(self, people: int, lost: dict[int, str], share: float) -> tuple[np.ndarray, ...]:
        """Maps, ages and sites; of some people a share of the region that is named is lost."""
        ages, sites = (
            self.rng.uniform(18, 75, people),
            self.rng.integers(0, len(self.gains), people),
        )
        maps = np.empty((people, *self.grid.shape), np.float32)
        for person in range(people):
            change = np.tensordot(self.rng.normal(size=MODES), self.modes, 1) * 0.06 / MODES**0.5
            change += self.aging * (ages[person] - 45) + self.gains[sites[person]]
            change += 0.08 * self.smooth(10.0)
            kept = 1 - share * self.shares[self.names.index(lost[person])] if person in lost else 1
            maps[person] = self.base * np.clip(1 + change, 0, 2) * kept
        return maps, ages, sites


def measured(asked: argparse.Namespace, seed: int) -> dict[str, dict[str, float]]:
    """What each representation reaches in one world."""
    grid = MapGrid(resolution_mm=asked.resolution_mm)
    heads = Heads(seed, grid)
    settings = PretrainingSettings(
        epochs=asked.epochs, batch=min(asked.batch, asked.healthy), seed=seed
    )
    healthy, ages, sites = heads.drawn(asked.healthy, {}, 0)
    scale = MapScale.of(healthy, grid)
    begun = time.process_time()
    keeping = settings.model_copy(update={"reconstruction": asked.reconstruction})
    encoders: dict[str, MapEncoder] = {
        "drawn weights": random_map_encoder(healthy, ages, scale, settings),
        "y-aware": pretrain_maps(healthy, ages, scale, settings, device="cpu")[0],
        "y-aware, given back": pretrain_maps(healthy, ages, scale, keeping, device="cpu")[0],
    }
    print(f"  seed {seed}: learnt in {time.process_time() - begun:.0f} CPU s", flush=True)
    flat = scale.z(healthy)[:, scale.mask]
    pca = PCA(min(50, asked.healthy - 1), random_state=0).fit(flat)
    regional = _regional(heads, healthy)
    line = np.linalg.lstsq(np.c_[np.ones(len(ages)), ages], regional, rcond=None)[0]
    spread = (regional - np.c_[np.ones(len(ages)), ages] @ line).std(axis=0)

    def features(maps: np.ndarray) -> dict[str, np.ndarray]:
        named = {"PCA-50": pca.transform(scale.z(maps)[:, scale.mask])}
        named["regions"] = _regional(heads, maps)
        return named | {name: encoder.embed(maps) for name, encoder in encoders.items()}

    fresh, fresh_ages, _ = heads.drawn(asked.test, {}, 0)
    ill = {n: dict.fromkeys(range(0, n, 2), LOST) for n in (asked.labels, asked.test)}
    train, _, _ = heads.drawn(asked.labels, ill[asked.labels], asked.lost)
    test, _, _ = heads.drawn(asked.test, ill[asked.test], asked.lost)
    there = [features(maps) for maps in (healthy, fresh, train, test)]
    y, truth = (np.isin(np.arange(n), list(ill[n])).astype(int) for n in (asked.labels, asked.test))
    reached: dict[str, dict[str, float]] = {}
    for name in there[0]:
        h, f, a, b = (part[name] for part in there)
        reached[name] = {
            "age": float(np.abs(probe(h, ages).predict(f) - fresh_ages).mean()),
            "auc": float(roc_auc_score(truth, probe(a, y).predict(b))),
            "site": site_accuracy(h, sites),
        }
    where = heads.rng.choice(heads.names, asked.mapped)
    one, one_ages, _ = heads.drawn(asked.mapped, dict(enumerate(where)), 2 * asked.lost)
    off = np.abs(_regional(heads, one) - np.c_[np.ones(len(one)), one_ages] @ line) / spread
    reached["regions"]["named"] = float((np.array(heads.names)[off.argmax(axis=1)] == where).mean())
    for name, encoder in encoders.items():
        first = encoder.deviation_map(one, one_ages, heads.shares).argmax(axis=1)
        reached[name]["named"] = float((np.array(heads.names)[first] == where).mean())
    return reached


def _regional(heads: Heads, maps: np.ndarray) -> np.ndarray:
    return maps.reshape(len(maps), -1) @ heads.shares.reshape(len(heads.shares), -1).T


def speed(asked: argparse.Namespace) -> None:
    """Volumes a second of pre-training on the device that there is."""
    grid = MapGrid(resolution_mm=asked.resolution_mm)
    people = 2 * asked.batch
    maps = np.random.default_rng(0).uniform(0.1, 1, (people, *grid.shape)).astype(np.float32)
    settings = PretrainingSettings(epochs=3, batch=asked.batch)
    ages = np.linspace(20, 70, people)
    learnt = pretrain_maps(maps, ages, MapScale.of(maps, grid), settings)[1].record
    print(f"  {grid.shape[0]}^3, batch {asked.batch}: {learnt['people_per_second']} volumes a second "
          f"on {learnt['device']} ({learnt['precision']})")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--healthy", type=int, default=240)
    parser.add_argument("--labels", type=int, default=100)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--mapped", type=int, default=20)
    parser.add_argument(
        "--lost", type=float, default=0.15, help="Share of the region that is lost."
    )
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--reconstruction", type=float, default=100.0)
    parser.add_argument("--resolution-mm", type=float, default=12.0)
    parser.add_argument("--speed", action="store_true")
    asked = parser.parse_args()
    if find_spec("torch") is None:
        print("torch is not installed: this benchmark needs the extra deep.")
        return
    begun = time.process_time()
    if asked.speed:
        speed(asked)
        return
    worlds = [measured(asked, seed) for seed in range(asked.seeds)]
    print(f"{asked.healthy} healthy people, voxels of {asked.resolution_mm:g} mm, {asked.epochs} epochs, "
          f"{asked.labels} labels, {asked.lost:.0%} of {LOST} lost, {asked.seeds} worlds")  # fmt: skip
    for name, first in worlds[0].items():
        means = {what: np.mean([world[name][what] for world in worlds]) for what in first}
        auc = np.array([w["y-aware, given back"]["auc"] - w[name]["auc"] for w in worlds])
        named = f"   names the region {means['named']:.2f}" if "named" in means else ""
        print(f"  {name:20s} age error {means['age']:5.2f} years   AUC {means['auc']:.3f}, y-aware given "
              f"back less it {interval(auc)}   site {means['site']:.2f}{named}")  # fmt: skip
    print(f"{time.process_time() - begun:.0f} CPU s")


if __name__ == "__main__":
    main()
