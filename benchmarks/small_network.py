r"""A small segmentation network taught by simulated heads, beside the built-in engine on real ones.

    python benchmarks/small_network.py train COARSE.npz --voxel-mm 4 --minutes 8
    python benchmarks/small_network.py train NETWORK.npz --voxel-mm 3 --minutes 8 --start COARSE.npz
    python benchmarks/small_network.py judge NETWORK.npz DATA [--kept FOLDER] [--heads chris pu01]

``train`` (extra ``deep``) draws heads from the template's structures, gives every tissue a brightness
by chance, and teaches a convolutional network of less than 1 MB to tell the classes of KINDS:
SynthSeg's recipe (Billot B et al., Med Image Anal 2023;86:102789) and a network in the manner of
MeshNet (Fedorov A et al., IJCNN 2017), whose dilated layers see voxels four times as large as the
image's. ``judge`` runs it by NumPy alone on real heads, and prints its mask and structures, with
``--kept`` under those of the built-in engine (``real_heads.py``), whose results are or will be in
that folder, against the same references.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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

#: Edges of the box that is seen, in mm.
BOX_MM = (192.0, 240.0, 192.0)
#: Classes of the network, from 1, and those of the template's structures that each joins.
KINDS = {
    "CerebralWM": (1,), "CerebralCortex": (2, 16), "LateralVentricle": (3,), "Cerebellum": (5, 6),
    "Thalamus": (7,), "Caudate": (8,), "Putamen": (9,), "Pallidum": (10,), "BrainStem": (13, 17),
    "Hippocampus": (14,), "Amygdala": (15,), "Fluid": (4, 11, 12),
}  # fmt: skip
CLASSES, FLUID = len(KINDS) + 1, len(KINDS)
#: Heads are drawn in voxels of this edge.
DRAWN_MM = 3.0
#: Layers: channels that go out and come in, and side of the kernel.
NEAR, FAR, LAST = 24, 48, 32
DILATIONS = (1, 2, 4, 2, 1)
LAYERS = {
    "first": (NEAR, 8, 3), "second": (NEAR, NEAR, 3), "down": (FAR, NEAR, 3),
    **{f"far{n}": (FAR, FAR, 3) for n in range(len(DILATIONS))},
    "back": (NEAR, FAR, 1), "near": (LAST, NEAR, 3), "nearer": (LAST, LAST, 3),
    "last": (8 * CLASSES, LAST, 1),
}  # fmt: skip
LEARNING_RATE = 3e-3


def box(voxel_mm: float) -> tuple[int, ...]:
    """Voxels of the box that is seen: each side is a multiple of four."""
    return tuple(4 * round(mm / voxel_mm / 4) for mm in BOX_MM)


def drawn_heads(number: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Tissue fractions (4, X, Y, Z: grey, white, fluid, outside) and classes of simulated heads."""
    request = CohortRequest(
        controls=number, responsive=0, resistant=0, sites=1, missing=0.0, seed=seed
    )
    protocol = chosen_protocol("demo").changed({"anat.voxel_mm": DRAWN_MM})
    table = structures().labels
    kind_of = np.zeros(table["class"].max() + 1, dtype=np.uint8)
    for kind, joined in enumerate(KINDS.values(), start=1):
        kind_of[list(joined)] = kind
    class_of = np.zeros(table["index"].max() + 1, dtype=np.uint8)
    class_of[table["index"]] = kind_of[table["class"]]
    heads = []
    for at, person in enumerate(draw_scans(draw_cohort(request), request)):
        head = draw_anatomy(person, protocol, np.random.default_rng([seed, at]))
        classes = class_of[labels_at(structures().image, head.template_mm)]
        classes[(classes == 0) & (head.csf > 0.5)] = FLUID
        maps = np.stack([head.gm, head.wm, head.csf, head.outside]).astype(np.float32)
        heads.append((maps, classes))
    return heads


def _smooth(rng: np.random.Generator, spread: float, knots: int, shape: tuple[int, ...]):
    """A field that varies over ``knots`` places along each axis."""
    return zoom(rng.normal(0, spread, (knots,) * 3), np.array(shape) / knots, order=1)


def _moved(rng: np.random.Generator, drawn: tuple[int, ...], voxel_mm: float) -> np.ndarray:
    """Places (3, *box) in a drawn head that is turned, scaled, shifted and bent by chance."""
    angles = rng.normal(0, 0.12, 3)
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        one, other = [k for k in range(3) if k != axis]
        step = np.eye(3)
        step[[one, other], [one, other]] = np.cos(angle)
        step[one, other], step[other, one] = -np.sin(angle), np.sin(angle)
        turn = turn @ step
    scale = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3) * voxel_mm / DRAWN_MM
    if rng.random() < 0.5:  # left and right are one class
        scale[0] *= -1
    shape = box(voxel_mm)
    grid = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"))
    bent = np.stack([_smooth(rng, 1.2, 5, shape) for _ in range(3)])
    middle = (np.array(drawn) - 1) / 2 + rng.normal(0, 5, 3)
    return np.einsum("ab,bxyz->axyz", turn * scale, grid) + bent + middle[:, None, None, None]


def draw_image(
    heads: list[tuple[np.ndarray, np.ndarray]], rng: np.random.Generator, voxel_mm: float
) -> tuple[np.ndarray, np.ndarray]:
    """An image (box, 0 to 1) of a head in a contrast by chance, mostly T1w's, and its classes."""
    maps, classes = heads[rng.integers(len(heads))]
    where = _moved(rng, classes.shape, voxel_mm)
    tissue = np.stack([map_coordinates(m, where, order=1) for m in maps])
    label = map_coordinates(classes, where, order=0)
    if rng.random() < 0.9:
        bright = [rng.uniform(0.4, 0.65), rng.uniform(0.7, 1.0), rng.uniform(0.05, 0.3)]
        beyond = tissue[3] * rng.uniform(0.5, 1.8)
    else:
        bright = list(rng.uniform(0, 1, 3))
        beyond = np.interp(tissue[3], np.linspace(0, 1, 6), np.r_[0, rng.uniform(0, 1, 5)])
    own = rng.normal(0, 0.05, CLASSES)
    own[0] = 0
    image = sum(b * t for b, t in zip(bright, tissue[:3], strict=True)) + own[label] + beyond
    if rng.random() < 0.15:  # stripped
        image = np.where(tissue[:3].sum(axis=0) > 0.5, image, 0)
    image = gaussian_filter(image * np.exp(_smooth(rng, 0.2, 4, label.shape)), rng.uniform(0, 0.5))
    noise = rng.uniform(0, 0.06)
    image = np.hypot(image + rng.normal(0, noise, label.shape), rng.normal(0, noise, label.shape))
    if rng.random() < 0.5:  # the field of view ends at the neck, or above it
        image[:, :, : round(rng.uniform(0, 40) / voxel_mm)] = 0
    return normalised(image) ** rng.uniform(0.7, 1.4), label


def normalised(image: np.ndarray) -> np.ndarray:
    """Brightness from 0 to 1 between the 1st and the 99.5th percentile."""
    low, high = np.percentile(image, (1, 99.5))
    return np.clip((image - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)


def folded(image: np.ndarray) -> np.ndarray:
    """(8, X/2, Y/2, Z/2): each cube of eight voxels as the channels of one."""
    x, y, z = (n // 2 for n in image.shape)
    cubes = image.reshape(x, 2, y, 2, z, 2).transpose(1, 3, 5, 0, 2, 4)
    return np.ascontiguousarray(cubes.reshape(8, x, y, z))


def unfolded(cubes: np.ndarray) -> np.ndarray:
    """(C, X, Y, Z) of (C, 8, X/2, Y/2, Z/2): :func:`folded` undone."""
    count, _, x, y, z = cubes.shape
    apart = cubes.reshape(count, 2, 2, 2, x, y, z).transpose(0, 4, 1, 5, 2, 6, 3)
    return apart.reshape(count, 2 * x, 2 * y, 2 * z)


def flow(x: Any, layer: Callable[..., Any], enlarged: Callable[[Any], Any]) -> Any:
    """What goes through the layers before the last, by torch or by NumPy."""
    fine = layer(layer(x, "first"), "second")
    far = layer(fine, "down", stride=2)
    for n, dilation in enumerate(DILATIONS):
        far = far + layer(far, f"far{n}", dilation=dilation)
    return layer(layer(fine + enlarged(layer(far, "back")), "near"), "nearer")


def train(
    path: Path, *, minutes: float, voxel_mm: float, simulated: int, seed: int,
    steps: int | None, start: Path | None,
) -> None:  # fmt: skip
    """Teach the network for so long, and write its arrays; every 100 images what is there."""
    import torch
    from torch.nn.functional import conv3d, cross_entropy, instance_norm, interpolate, one_hot

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)
    drawn = drawn_heads(simulated, 5)
    learnt = {f"{name}/weight": torch.randn(o, i, k, k, k) * (2 / (i * k**3)) ** 0.5
              for name, (o, i, k) in LAYERS.items()}  # fmt: skip
    learnt |= {f"{name}/bias": torch.zeros(o) for name, (o, _, _) in LAYERS.items()}
    if start:
        learnt |= {k: torch.from_numpy(v) for k, v in stored(start)[0].items()}
    learnt = {name: torch.nn.Parameter(value) for name, value in learnt.items()}

    def layer(x: torch.Tensor, name: str, dilation: int = 1, stride: int = 1) -> torch.Tensor:
        weight = learnt[f"{name}/weight"]
        pad = dilation * (weight.shape[-1] // 2)
        x = conv3d(x, weight, stride=stride, padding=pad, dilation=dilation)
        return torch.relu(instance_norm(x) + learnt[f"{name}/bias"][:, None, None, None])

    optimiser = torch.optim.Adam(learnt.values(), lr=LEARNING_RATE)
    begin, step, running = time.process_time(), 0, 0.0
    while (spent := (time.process_time() - begin) / 60) < minutes and step != steps:
        share = step / steps if steps else spent / minutes
        for group in optimiser.param_groups:
            warm = min(1.0, (step + 1) / 20)
            group["lr"] = LEARNING_RATE * warm * 0.5 * (1 + np.cos(np.pi * share))
        image, label = draw_image(drawn, rng, voxel_mm)
        wanted = torch.from_numpy(folded(label).astype(np.int64))[None]
        x = flow(torch.from_numpy(folded(image))[None], layer,
                 lambda far: interpolate(far, scale_factor=2))  # fmt: skip
        given = conv3d(x, learnt["last/weight"], learnt["last/bias"])
        given = given.reshape(1, CLASSES, 8, *given.shape[2:])
        share_of = torch.softmax(given, dim=1)
        truth = one_hot(wanted, CLASSES).movedim(-1, 1).float()
        both = (share_of * truth).sum((0, 2, 3, 4, 5))
        sums = (share_of + truth).sum((0, 2, 3, 4, 5))
        dice = (2 * both + 1) / (sums + 1)
        loss = cross_entropy(given, wanted) + 1 - dice.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        running = 0.98 * running + 0.02 * float(dice.detach()[1:].mean())
        if step % 100 == 0:
            print(f"{spent:5.1f} min, {step} images: Dice {running / (1 - 0.98**step):.3f}",
                  flush=True)  # fmt: skip
            write(path, learnt, voxel_mm)
    size = write(path, learnt, voxel_mm)
    print(f"{path.name}: {size / 1e6:.2f} MB, {step} images, {spent:.1f} CPU minutes")
    others = drawn_heads(min(3, simulated), 6)
    seen = [dice_of(*draw_image(others, rng, voxel_mm), stored(path)[0]) for _ in range(6)]
    for kind, values in zip(KINDS, np.transpose(seen), strict=True):
        print(f"by NumPy, on other simulated heads: {kind} {np.nanmean(values):.3f}")


def write(path: Path, learnt: dict[str, Any], voxel_mm: float) -> int:
    """Write weights in 16 bits and the voxel size they are for; the bytes that they take."""
    arrays = {name: value.detach().numpy().astype(np.float16) for name, value in learnt.items()}
    with atomic(path) as draft, draft.open("wb") as file:
        np.savez_compressed(file, voxel_mm=voxel_mm, **arrays)
    return path.stat().st_size


def stored(path: Path) -> tuple[dict[str, np.ndarray], float]:
    """Weights of a network, and the voxel size they are for."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name].astype(np.float32) for name in file.files}
    return arrays, float(arrays.pop("voxel_mm"))


def dice_of(image: np.ndarray, label: np.ndarray, network: dict[str, np.ndarray]) -> list[float]:
    """Dice of every kind in an image; NaN for what is not in it."""
    found = probabilities(image, network).argmax(axis=0)
    return [
        2 * ((found == n) & (label == n)).sum() / ((found == n).sum() + (label == n).sum())
        if (label == n).any() else np.nan
        for n in range(1, CLASSES)
    ]  # fmt: skip


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
    """Probability of every class (CLASSES, X, Y, Z) of an image whose sides are multiples of 4."""

    def layer(x: np.ndarray, name: str, dilation: int = 1, stride: int = 1) -> np.ndarray:
        x = _convolved(x, network[f"{name}/weight"], dilation, stride)
        mean = x.mean(axis=(1, 2, 3), keepdims=True)
        spread = np.sqrt(x.var(axis=(1, 2, 3), keepdims=True) + 1e-5)
        return np.maximum((x - mean) / spread + network[f"{name}/bias"][:, None, None, None], 0)

    def enlarged(far: np.ndarray) -> np.ndarray:
        return far.repeat(2, axis=1).repeat(2, axis=2).repeat(2, axis=3)

    x = flow(folded(image.astype(np.float32)), layer, enlarged)
    scores = _convolved(x, network["last/weight"]) + network["last/bias"][:, None, None, None]
    scores = unfolded(scores.reshape(CLASSES, 8, *scores.shape[1:]))
    scores = np.exp(scores - scores.max(axis=0))
    return scores / scores.sum(axis=0)


def segmented(
    image: nib.Nifti1Image, network: dict[str, np.ndarray], voxel_mm: float
) -> np.ndarray:
    """Classes on the image's grid; looked at twice, the second time around the brain that was seen."""
    data = np.asanyarray(image.dataobj).astype(np.float32)
    smooth = nib.Nifti1Image(
        gaussian_filter(data, [0.4 * voxel_mm / mm for mm in zooms_mm(image.affine)]), image.affine
    )
    middle = nib.affines.apply_affine(image.affine, (np.array(image.shape) - 1) / 2)
    shape = box(voxel_mm)
    for _ in range(2):
        affine = np.diag([voxel_mm] * 3 + [1.0])
        affine[:3, 3] = middle - voxel_mm * (np.array(shape) - 1) / 2
        share = probabilities(normalised(resample_to(smooth, shape, affine, order=1)), network)
        brain = largest_component(share[0] < 0.5)
        middle = nib.affines.apply_affine(affine, np.argwhere(brain).mean(axis=0))
    fine = np.stack(
        [
            resample_to(nib.Nifti1Image(one, affine), image.shape, image.affine, order=1)
            for one in share
        ]
    )
    fine[0][fine.sum(axis=0) < 0.5] = 1  # beyond the box
    classes = fine.argmax(axis=0)
    return np.where(largest_component(classes > 0), classes, 0)


def judge(network: Path, data: Path, kept: Path | None, heads: list[str]) -> Table:
    """Mask and structures of the network and of the engine, against the same references."""
    arrays, voxel_mm = stored(network)
    columns = ["head", "by", "litres", "Dice", "TIV %", "cortex lost %", *SHOWN.values(), "CPU s"]
    table = Table(*columns, title="a network of our own beside the engine")
    index_of = np.zeros(CLASSES, dtype=np.int16)
    numbers = structures().labels.set_index("name")["index"]
    for kind, name in enumerate(KINDS, start=1):
        index_of[kind] = numbers.get(f"{name}_L", 0)
    for name in heads:
        image = load_image(data / HEADS[name], who=name, ndim=3)
        if kept:
            scan, seconds = measured(name, data / HEADS[name], kept)
            files = AnatFiles.of(scan, kept / name)
            mask, aseg = (load_image(p, who=name, ndim=3) for p in (files.mask, files.aseg))
            volumes = json.loads(sidecar_path(files.aseg).read_text())["VolumesMm3"]
            table.add_row(name, "engine", *mask_row(name, data, None, mask),
                          *structure_row(name, data, aseg, volumes), f"{seconds:.0f}")  # fmt: skip
        begin = time.process_time()
        classes = segmented(image, arrays, voxel_mm)
        seconds = time.process_time() - begin
        half = voxel_volume_mm3(image.affine) / 2
        volumes = {
            f"{one}_{side}": (index_of[classes] == numbers[f"{one}_L"]).sum() * half
            for one in SHOWN
            for side in "LR"
        }
        mask = nib.Nifti1Image((classes > 0).astype(np.uint8), image.affine)
        aseg = nib.Nifti1Image(index_of[classes], image.affine)
        table.add_row(name, "network", *mask_row(name, data, None, mask),
                      *structure_row(name, data, aseg, volumes), f"{seconds:.0f}")  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    teach = parts.add_parser("train")
    teach.add_argument("network", type=Path)
    teach.add_argument("--minutes", type=float, default=8, help="CPU minutes")
    teach.add_argument("--steps", type=int, help="end after so many images")
    teach.add_argument("--voxel-mm", type=float, default=3.0)
    teach.add_argument("--start", type=Path, help="a network to go on from")
    teach.add_argument("--simulated", type=int, default=16, help="heads that are drawn")
    teach.add_argument("--seed", type=int, default=0)
    look = parts.add_parser("judge")
    look.add_argument("network", type=Path)
    look.add_argument("data", type=Path)
    look.add_argument("--kept", type=Path, help="folder of the engine's results")
    look.add_argument("--heads", nargs="+", choices=HEADS, default=list(HEADS))
    given = parser.parse_args()
    if given.part == "train":
        train(given.network, minutes=given.minutes, voxel_mm=given.voxel_mm, steps=given.steps,
              simulated=given.simulated, seed=given.seed, start=given.start)  # fmt: skip
    else:
        if given.kept:
            given.kept.mkdir(parents=True, exist_ok=True)
        Console(width=200).print(judge(given.network, given.data, given.kept, given.heads))


if __name__ == "__main__":
    main()
