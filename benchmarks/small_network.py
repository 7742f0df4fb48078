r"""A small segmentation network taught by simulated heads, beside the built-in engine on real ones.

    python benchmarks/small_network.py train NETWORK.npz --minutes 30
    python benchmarks/small_network.py judge NETWORK.npz DATA --kept FOLDER [--heads chris pu01]

``train`` (extra ``deep``) draws heads from the template's structures, gives every tissue a brightness
by chance, and teaches a dilated convolutional network of less than 1 MB to tell 17 structures and
fluid at 3 mm: SynthSeg's recipe (Billot B et al., Med Image Anal 2023;86:102789) and a network in the
manner of MeshNet (Fedorov A et al., IJCNN 2017). ``judge`` runs it by NumPy alone on real heads, and
prints its mask and structures under those of the built-in engine, against the same references
(``real_heads.py``). ``--kept`` is the folder in which the engine's results are or will be.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from brain_masks import HEADS
from real_heads import SHOWN, mask_row, measured, structure_row
from rich.console import Console
from rich.table import Table
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

from commissure.files import atomic
from commissure.images.anat_files import AnatFiles
from commissure.images.atlas import structures
from commissure.images.grid import largest_component, resample_to
from commissure.images.load import load_image, voxel_volume_mm3, zooms_mm
from commissure.names import sidecar_path
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.cohort.visits import draw_scans
from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.head.deformation import labels_at
from commissure.phantom.protocol import chosen_protocol

VOXEL_MM = 3.0
SHAPE = (64, 80, 64)
DILATIONS = (1, 2, 4, 8, 4, 2, 1)
FINE, WIDTH, JOINED = 8, 24, 16
#: Outside, the 17 classes of the template's structures (both sides together), fluid around them.
CLASSES = 19
FLUID = 18


def drawn_heads(number: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Tissue fractions (4, X, Y, Z: grey, white, fluid, outside) and classes of simulated heads."""
    request = CohortRequest(
        controls=number, responsive=0, resistant=0, sites=1, missing=0.0, seed=5
    )
    protocol = chosen_protocol("demo").changed({"anat.voxel_mm": VOXEL_MM})
    table = structures().labels
    class_of = np.zeros(table["index"].max() + 1, dtype=np.uint8)
    class_of[table["index"]] = table["class"]
    heads = []
    for at, person in enumerate(draw_scans(draw_cohort(request), request)):
        head = draw_anatomy(person, protocol, np.random.default_rng(at))
        classes = class_of[labels_at(structures().image, head.template_mm)]
        classes[(classes == 0) & (head.csf > 0.5)] = FLUID
        maps = np.stack([head.gm, head.wm, head.csf, head.outside]).astype(np.float32)
        heads.append((maps, classes))
    return heads


def _moved(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Voxel coordinates (3, *SHAPE) in a head that is turned, scaled, shifted and bent by chance."""
    angles = rng.normal(0, 0.12, 3)
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        one, other = [k for k in range(3) if k != axis]
        step = np.eye(3)
        step[[one, other], [one, other]] = np.cos(angle)
        step[one, other], step[other, one] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    scale = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)
    if rng.random() < 0.5:  # left and right are one class
        scale[0] *= -1
    grid = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in SHAPE), indexing="ij"))
    bent = np.stack(
        [zoom(rng.normal(0, 1.2, (5, 5, 5)), np.array(SHAPE) / 5, order=3) for _ in range(3)]
    )
    middle = (np.array(shape) - 1) / 2 + rng.normal(0, 5, 3)
    return np.einsum("ab,bxyz->axyz", turn * scale, grid) + bent + middle[:, None, None, None]


def draw_image(
    heads: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """An image (SHAPE, 0 to 1) of a head in a contrast by chance, and its classes."""
    maps, classes = heads[rng.integers(len(heads))]
    where = _moved(rng, classes.shape)
    tissue = np.stack([map_coordinates(m, where, order=1) for m in maps])
    label = map_coordinates(classes, where, order=0)
    if rng.random() < 0.6:  # as T1w has it
        bright = [rng.uniform(0.4, 0.65), rng.uniform(0.65, 1.0), rng.uniform(0.05, 0.3)]
        beyond = tissue[3] * rng.uniform(0.5, 1.8)
    else:
        bright = list(rng.uniform(0, 1, 3))
        knots = np.r_[0, rng.uniform(0, 1, 5)]
        beyond = np.interp(tissue[3], np.linspace(0, 1, 6), knots)
    own = rng.normal(0, 0.06, CLASSES)
    own[0] = 0
    image = sum(b * t for b, t in zip(bright, tissue[:3], strict=True)) + own[label] + beyond
    if rng.random() < 0.15:  # stripped
        image = np.where(tissue[:3].sum(axis=0) > 0.5, image, 0)
    shade = zoom(rng.normal(0, 0.25, (4, 4, 4)), np.array(SHAPE) / 4, order=3)
    image = gaussian_filter(image * np.exp(shade), rng.uniform(0, 0.6))
    noise = rng.uniform(0, 0.06)
    image = np.hypot(image + rng.normal(0, noise, SHAPE), rng.normal(0, noise, SHAPE))
    if rng.random() < 0.5:  # the field of view ends at the neck, or above it
        image[:, :, : rng.integers(0, 14)] = 0
    return normalised(image) ** rng.uniform(0.7, 1.4), label


def normalised(image: np.ndarray) -> np.ndarray:
    """Brightness from 0 to 1 between the 1st and the 99.5th percentile."""
    low, high = np.percentile(image, (1, 99.5))
    return np.clip((image - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)


def shapes() -> list[tuple[int, int, int]]:
    """Output channels, input channels and side of the kernel of every layer."""
    middle = [(WIDTH, WIDTH, 3)] * len(DILATIONS)
    return [
        (FINE, 1, 3),
        (WIDTH, FINE, 3),
        *middle,
        (JOINED, FINE + WIDTH, 3),
        (CLASSES, JOINED, 1),
    ]


def train(path: Path, *, minutes: float, heads: int, seed: int, steps: int | None) -> None:
    """Teach the network for so long, and write its arrays."""
    import torch
    from torch.nn.functional import conv3d, cross_entropy, instance_norm, interpolate, one_hot

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    drawn = drawn_heads(heads)
    weights = [
        torch.nn.Parameter(torch.randn(o, i, k, k, k) * (2 / (i * k**3)) ** 0.5)
        for o, i, k in shapes()
    ]
    biases = [torch.nn.Parameter(torch.zeros(o)) for o, _, _ in shapes()]

    def layer(x: torch.Tensor, at: int, dilation: int = 1, stride: int = 1) -> torch.Tensor:
        x = conv3d(x, weights[at], stride=stride, padding=dilation, dilation=dilation)
        return torch.relu(instance_norm(x) + biases[at][:, None, None, None])

    def scores(x: torch.Tensor) -> torch.Tensor:
        fine = layer(x, 0)
        coarse = layer(fine, 1, stride=2)
        for at, dilation in enumerate(DILATIONS, start=2):
            coarse = coarse + layer(coarse, at, dilation)
        joined = layer(torch.cat([fine, interpolate(coarse, scale_factor=2)], dim=1), -2)
        return conv3d(joined, weights[-1], biases[-1])

    optimiser = torch.optim.Adam([*weights, *biases], lr=2e-3)
    begin, step, running = time.process_time(), 0, 0.0
    while (spent := (time.process_time() - begin) / 60) < minutes and step != steps:
        share = step / steps if steps else spent / minutes
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * 0.5 * (1 + np.cos(np.pi * share))
        image, label = draw_image(drawn, rng)
        wanted = torch.from_numpy(label.astype(np.int64))[None]
        given = scores(torch.from_numpy(image)[None, None])
        share_of = torch.softmax(given, dim=1)
        truth = one_hot(wanted, CLASSES).movedim(-1, 1).float()
        both = (share_of * truth).sum((0, 2, 3, 4))
        dice = (2 * both + 1) / (share_of.sum((0, 2, 3, 4)) + truth.sum((0, 2, 3, 4)) + 1)
        loss = cross_entropy(given, wanted) + 1 - dice.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        running = 0.98 * running + 0.02 * float(dice.detach()[1:].mean())
        if step % 50 == 0:
            print(f"{spent:5.1f} min, {step} images: Dice {running / (1 - 0.98**step):.3f}",
                  flush=True)  # fmt: skip
    arrays = {f"weight{n}": w.detach().numpy() for n, w in enumerate(weights)}
    arrays |= {f"bias{n}": b.detach().numpy() for n, b in enumerate(biases)}
    with atomic(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, **arrays)
    print(f"{path.name}: {sum(a.nbytes for a in arrays.values()) / 1e6:.2f} MB, {step} images")
    seen = [dice_of(*draw_image(drawn, rng), arrays) for _ in range(5)]
    print(f"by NumPy, on new images: Dice {np.mean(seen):.3f}")


def dice_of(image: np.ndarray, label: np.ndarray, network: dict[str, np.ndarray]) -> float:
    """Mean Dice of the classes that are in an image."""
    found = probabilities(image, network).argmax(axis=0)
    return float(np.mean([
        2 * ((found == n) & (label == n)).sum() / ((found == n).sum() + (label == n).sum())
        for n in np.unique(label)[1:]
    ]))  # fmt: skip


def _convolved(x: np.ndarray, weight: np.ndarray, dilation: int = 1, stride: int = 1) -> np.ndarray:
    """A 3-D convolution with zeros around: one product of matrices for every place of the kernel."""
    side = weight.shape[-1]
    pad = dilation * (side // 2)
    padded = np.pad(x, ((0, 0), *((pad, pad),) * 3))
    shape = tuple(-(-n // stride) for n in x.shape[1:])
    out = np.zeros((len(weight), int(np.prod(shape))), dtype=np.float32)
    for place in np.ndindex(side, side, side):
        cut = tuple(
            slice(dilation * p, dilation * p + n, stride)
            for p, n in zip(place, x.shape[1:], strict=True)
        )
        out += weight[(..., *place)] @ padded[(slice(None), *cut)].reshape(len(x), -1)
    return out.reshape(len(weight), *shape)


def probabilities(image: np.ndarray, network: dict[str, np.ndarray]) -> np.ndarray:
    """Probability of every class (CLASSES, X, Y, Z) of an image whose sides are even."""

    def layer(x: np.ndarray, at: int, dilation: int = 1, stride: int = 1) -> np.ndarray:
        x = _convolved(x, network[f"weight{at}"], dilation, stride)
        mean = x.mean(axis=(1, 2, 3), keepdims=True)
        spread = np.sqrt(x.var(axis=(1, 2, 3), keepdims=True) + 1e-5)
        return np.maximum((x - mean) / spread + network[f"bias{at}"][:, None, None, None], 0)

    last = len(shapes()) - 1
    fine = layer(image[None].astype(np.float32), 0)
    coarse = layer(fine, 1, stride=2)
    for at, dilation in enumerate(DILATIONS, start=2):
        coarse = coarse + layer(coarse, at, dilation)
    for axis in (1, 2, 3):
        coarse = coarse.repeat(2, axis=axis)
    joined = layer(np.concatenate([fine, coarse]), last - 1)
    scores = _convolved(joined, network[f"weight{last}"])
    scores += network[f"bias{last}"][:, None, None, None]
    scores = np.exp(scores - scores.max(axis=0))
    return scores / scores.sum(axis=0)


def segmented(image: nib.Nifti1Image, network: dict[str, np.ndarray]) -> np.ndarray:
    """Classes on the image's grid; looked at twice, the second time around the brain that was seen."""
    data = np.asanyarray(image.dataobj).astype(np.float32)
    smooth = nib.Nifti1Image(
        gaussian_filter(data, [0.4 * VOXEL_MM / mm for mm in zooms_mm(image.affine)]), image.affine
    )
    middle = nib.affines.apply_affine(image.affine, (np.array(image.shape) - 1) / 2)
    for _ in range(2):
        affine = np.diag([VOXEL_MM] * 3 + [1.0])
        affine[:3, 3] = middle - VOXEL_MM * (np.array(SHAPE) - 1) / 2
        share = probabilities(normalised(resample_to(smooth, SHAPE, affine, order=1)), network)
        brain = largest_component(share[0] < 0.5)
        middle = nib.affines.apply_affine(affine, np.argwhere(brain).mean(axis=0))
    fine = np.stack(
        [
            resample_to(nib.Nifti1Image(one, affine), image.shape, image.affine, order=1)
            for one in share
        ]
    )
    fine[0][
        resample_to(nib.Nifti1Image(share[0], affine), image.shape, image.affine, order=0) == 0
    ] = 1
    classes = fine.argmax(axis=0)
    inside = largest_component(classes > 0)
    return np.where(inside, classes, 0)


def judge(network: Path, data: Path, kept: Path, heads: list[str]) -> Table:
    """Mask and structures of the engine and of the network, against the same references."""
    with np.load(network, allow_pickle=False) as file:
        arrays = dict(file)
    columns = ["head", "by", "litres", "Dice", "TIV %", "cortex lost %", *SHOWN.values(), "CPU s"]
    table = Table(*columns, title="a network of our own beside the engine")
    labels = structures().labels
    one_side = labels[labels["hemisphere"] != "R"].set_index("class")["index"]
    index_of = np.zeros(CLASSES, dtype=np.int16)
    index_of[one_side.index] = one_side
    for name in heads:
        scan, seconds = measured(name, data / HEADS[name], kept)
        files = AnatFiles.of(scan, kept / name)
        mask, aseg = (load_image(path, who=name, ndim=3) for path in (files.mask, files.aseg))
        volumes = json.loads(sidecar_path(files.aseg).read_text())["VolumesMm3"]
        table.add_row(name, "engine", *mask_row(name, data, None, mask),
                      *structure_row(name, data, aseg, volumes), f"{seconds:.0f}")  # fmt: skip
        begin = time.process_time()
        classes = segmented(load_image(data / HEADS[name], who=name, ndim=3), arrays)
        seconds = time.process_time() - begin
        image = load_image(data / HEADS[name], who=name, ndim=3)
        size = voxel_volume_mm3(image.affine)
        own = {
            f"{structure}_{side}": (index_of[classes] == labels.set_index("name").loc[f"{structure}_L", "index"]).sum()
            * size / 2
            for structure in SHOWN for side in "LR"
        }  # fmt: skip
        table.add_row(
            "", "network", *mask_row(name, data, None, nib.Nifti1Image((classes > 0).astype(np.uint8), image.affine)),
            *structure_row(name, data, nib.Nifti1Image(index_of[classes], image.affine), own), f"{seconds:.0f}",
        )  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    teach = parts.add_parser("train")
    teach.add_argument("network", type=Path)
    teach.add_argument("--minutes", type=float, default=30, help="CPU minutes")
    teach.add_argument("--steps", type=int, help="end after so many images")
    teach.add_argument("--simulated", type=int, default=24, help="heads that are drawn")
    teach.add_argument("--seed", type=int, default=0)
    look = parts.add_parser("judge")
    look.add_argument("network", type=Path)
    look.add_argument("data", type=Path)
    look.add_argument("--kept", type=Path, required=True)
    look.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    given = parser.parse_args()
    if given.part == "train":
        train(given.network, minutes=given.minutes, heads=given.simulated, seed=given.seed,
              steps=given.steps)  # fmt: skip
    else:
        given.kept.mkdir(parents=True, exist_ok=True)
        Console(width=200).print(judge(given.network, given.data, given.kept, given.heads))


if __name__ == "__main__":
    main()
