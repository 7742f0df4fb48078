"""Simulated resting-state BOLD: network signals in grey matter, seen by a real scanner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import exp
from pathlib import Path

import numpy as np
from scipy.ndimage import (
    binary_dilation,
    distance_transform_edt,
    map_coordinates,
    spline_filter,
)
from scipy.sparse import coo_array, csr_array

from commissure.images.atlas import schaefer, structures
from commissure.images.connectivity_sets import SUBCORTEX
from commissure.images.rigid import framewise_displacement
from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.layout import named, truth_file
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol
from commissure.phantom.scanner.bold_signal import (
    OTHER,
    Signals,
    connectivity_truth,
    haemodynamic_signals,
    latent_correlation,
    node_names,
)
from commissure.phantom.scanner.distortion import (
    BOLD_READOUT_S,
    Displacement,
    displacement,
    off_resonance,
)
from commissure.phantom.scanner.echo_planar import (
    FineHead,
    box_places,
    drawn_motion,
    fine_head,
    voxel_boxes,
    voxel_means,
)
from commissure.phantom.scanner.physiological_noise import physiological_noise
from commissure.phantom.scanner.simulator import (
    Measured,
    RandomStreams,
    Simulator,
    bids_uri,
    whole_numbers,
    write_motion,
    write_scan,
)

TASK = "rest"

#: Echo-planar intensity of each tissue at :data:`REFERENCE_TE_S`; grey matter is 1000.
INTENSITY = {"gm": 1000.0, "wm": 820.0, "csf": 1350.0, "outside": 320.0}

#: Echo time of the intensities, the dropouts and the change of the nodes' signals.
REFERENCE_TE_S = 0.030

#: T2* of each tissue at 3 T in s, by which several echoes of a run decay.
T2STAR_S = {"gm": 0.050, "wm": 0.045, "csf": 0.300, "outside": 0.030}

#: Where air pulls the signal away: template mm, extent (SD) in mm, share of the signal lost.
DROPOUTS = (
    ((0.0, 42.0, -24.0), (17.0, 13.0, 11.0), 0.75),
    ((-48.0, -22.0, -34.0), (12.0, 12.0, 9.0), 0.55),
    ((48.0, -22.0, -34.0), (12.0, 12.0, 9.0), 0.55),
)

#: SD over time in per cent of the mean, of what the nodes' signals change.
NEURAL_PERCENT = 1.2

#: Change of intensity per mm that a slice has moved since the volume before (spin history).
SPIN_HISTORY_PER_MM = 0.01

#: SD of how the head has moved between T1w and BOLD.
SINCE_T1W_MM, SINCE_T1W_DEG = 1.0, 0.7

#: Grey matter without a parcel belongs to the parcel next to it, up to this distance.
PARCEL_REACH_MM = 6.0


@dataclass(frozen=True)
class BoldSeries:
    """One simulated run.

    Attributes
    ----------
    data
        (X, Y, Z, T) float32, of the first echo.
    affine
        4x4.
    tr_s
        Repetition time.
    metadata
        For the JSON sidecar, BIDS names. All slices of a volume are acquired at once, so there is
        no ``SliceTiming``.
    motion
        (T, 6): translations in mm and rotations in rad about the centre of the grid, x, y, z of
        the scanner (RAS+); ``R = Rz @ Ry @ Rx``. The matrix
        (:func:`commissure.images.rigid.rigid_matrix`) maps the place of a piece of tissue in the
        first volume to its place now.
    truth
        Fisher z by ``(marker, region)`` of the correlation that the haemodynamic signals have in
        an infinitely long run without noise; and ``("mean_fd", "brain")`` in mm.
    signals
        The haemodynamic signals themselves.
    since_t1w
        (6,) how the head had moved since the T1w when the run began, about the scanner's origin.
    field_map
        (X, Y, Z) float32, Hz: the true off-resonance at the true places of the first volume;
        ``None`` where the image is not displaced. It stays where it is when the head moves.
    magnitude
        (X, Y, Z) float32: the image that belongs to it, not displaced.
    more_echoes
        (X, Y, Z, T) float32 of each further echo.
    """

    data: np.ndarray
    affine: np.ndarray
    tr_s: float
    metadata: Mapping[str, object]
    motion: np.ndarray
    truth: Mapping[tuple[str, str], float]
    signals: Signals
    since_t1w: np.ndarray = field(default_factory=lambda: np.zeros(6))
    field_map: np.ndarray | None = None
    magnitude: np.ndarray | None = None
    more_echoes: tuple[np.ndarray, ...] = ()


def simulate_bold(
    anatomy: Anatomy,
    person: Person,
    protocol: Protocol,
    rng: np.random.Generator,
    *,
    lasting: np.random.Generator | None = None,
    motion: np.ndarray | None = None,
) -> BoldSeries:
    """Simulate a resting-state run.

    Parameters
    ----------
    anatomy
        The true head.
    person
        ``fc`` and its relatives as mean latent correlations, and ``motion_scale_mm``.
    protocol
        Voxel size, volumes, repetition time and temporal signal-to-noise ratio.
    rng
        Draws signals, movement and noise.
    lasting
        Draws what stays of a person from run to run, their connectivity; ``None`` is ``rng``.
    motion
        As :func:`commissure.phantom.scanner.echo_planar.drawn_motion` gives it, in place of what
        it would draw: a measured movement. Signals and noise are the same with it.
    """
    latent = latent_correlation(person, lasting or rng)
    signals = haemodynamic_signals(
        latent,
        volumes=protocol.func.volumes,
        tr_s=protocol.func.repetition_time_s,
        rng=rng,
        lasting=lasting,
    )
    pose = rng.normal(0, 1, 6) * ([SINCE_T1W_MM] * 3 + [np.deg2rad(SINCE_T1W_DEG)] * 3)
    head = fine_head(anatomy, protocol.func.voxel_mm, pose=pose)
    drawn = drawn_motion(protocol.func.volumes, person.motion_scale_mm, rng)
    motion = drawn if motion is None else motion
    off_hz = None
    if protocol.off_resonance_hz:
        off_hz = voxel_means(off_resonance(head.template_mm, protocol.off_resonance_hz))
    data, *more_echoes = _series(head, signals.series, motion, person, protocol, rng, off_hz)
    truth = connectivity_truth(signals.correlation)
    truth["mean_fd", "brain"] = float(framewise_displacement(motion)[1:].mean())
    return BoldSeries(
        data=data,
        affine=head.affine,
        tr_s=protocol.func.repetition_time_s,
        metadata=_sidecar(person, protocol),
        motion=motion,
        truth=truth,
        signals=signals,
        since_t1w=pose,
        field_map=off_hz,
        magnitude=None if off_hz is None else voxel_means(_contrast(head)),
        more_echoes=tuple(more_echoes),
    )


def _series(
    head: FineHead,
    series: np.ndarray,
    motion: np.ndarray,
    person: Person,
    protocol: Protocol,
    rng: np.random.Generator,
    off_hz: np.ndarray | None,
) -> list[np.ndarray]:
    """Each echo of the run, all seen in one pose a volume."""
    shape, volumes = head.shape, len(motion)
    times_s = _contrast_times(protocol)
    still = [
        spline_filter(voxel_boxes(_contrast(head, time)), order=2, output=np.float32)
        for time in times_s
    ]
    something = binary_dilation(voxel_means(head.substance) > 0.15)
    # The phase runs from front to back, j-: a higher frequency shifts the signal backwards.
    displaced = None if off_hz is None else displacement(-BOLD_READOUT_S * off_hz)
    voxels, rows, factor = _seen(something, displaced)
    tissue = {name: voxel_means(head.maps[name]) for name in ("gm", "wm", "csf")}
    brain = np.argwhere(sum(tissue.values()) > 0.1)
    inside = tuple(brain.T)
    neural = NEURAL_PERCENT * (node_shares(head, brain) @ series.T)
    physiological = physiological_noise(
        {name: values[inside] for name, values in tissue.items()},
        head.affine[:3, :3] @ brain.T,
        volumes,
        protocol.func.repetition_time_s,
        rng,
    )
    change = []
    for time in times_s:
        of_echo = np.zeros((volumes, *shape), np.float32)
        # A change of T2* shows the more, the later the echo; that of the density does not.
        of_echo[:, *inside] = (time / REFERENCE_TE_S * neural + physiological).T / 100
        change.append(of_echo)
    nearest = np.clip(np.rint(rows).astype(int), 0, np.array(shape)[:, None] - 1)
    within = np.flatnonzero(binary_dilation(_mask(brain, shape))[tuple(nearest)])

    sensitivity = head.coil_sensitivity(rows.T) * factor
    # The site's share of the factor on tSNR.
    sd = INTENSITY["gm"] / (protocol.func.tsnr * person.scanner.snr_factor)
    data = [np.empty((volumes, *shape), np.float32) for _ in times_s]
    moved_z = np.diff(motion[:, 2], prepend=0.0)
    seen = tuple(voxels.T)
    for t in range(volumes):
        places = box_places(head, rows, motion[t])
        for echo in range(len(times_s)):
            values = map_coordinates(
                still[echo], places, order=2, prefilter=False, output=np.float32
            )
            values[within] *= 1 + map_coordinates(
                change[echo][t], places[:, within] / 2, order=1, output=np.float32
            )
            values *= sensitivity * (1 + SPIN_HISTORY_PER_MM * moved_z[t])
            noise = rng.standard_normal((2, *shape), dtype=np.float32) * np.float32(sd)
            noise[0][seen] += values
            data[echo][t] = np.hypot(noise[0], noise[1])
    return [np.moveaxis(each, 0, -1) for each in data]


def _contrast_times(protocol: Protocol) -> tuple[float, ...]:
    """Echo times that the contrast is of: one echo alone has that of the reference."""
    more = protocol.func.more_echoes_s
    return (protocol.func.echo_time_s, *more) if more else (REFERENCE_TE_S,)


def _seen(
    something: np.ndarray, displaced: Displacement | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels (N, 3) with signal, the places (3, N) it comes from, the factors (N,) on it."""
    if displaced is None:
        voxels = np.argwhere(something)
        return voxels, voxels.T.astype(np.float32), np.ones(len(voxels), np.float32)
    grid = np.indices(something.shape).reshape(3, -1)
    places, factor = displaced.origins(grid)
    nearest = np.clip(np.rint(places).astype(int), 0, np.array(something.shape)[:, None] - 1)
    seen = something[tuple(nearest)]
    return grid.T[seen], places[:, seen], factor[seen]


def _contrast(head: FineHead, time_s: float = REFERENCE_TE_S) -> np.ndarray:
    """Intensity of the fine head at an echo time: tissues, and air's dropouts."""
    image = np.zeros(head.template_mm.shape[:3], np.float32)
    for name, values in head.maps.items():
        image += INTENSITY[name] * exp((REFERENCE_TE_S - time_s) / T2STAR_S[name]) * values
    for centre, extent, lost in DROPOUTS:
        far = (((head.template_mm - centre) / extent) ** 2).sum(axis=-1)
        kept = 1 - lost * np.exp(-far / 2)
        image *= kept if time_s == REFERENCE_TE_S else kept ** (time_s / REFERENCE_TE_S)
    return image


def _mask(voxels: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(voxels.T)] = True
    return mask


def node_shares(head: FineHead, brain: np.ndarray) -> csr_array:
    """Sparse (voxels, nodes): how much of each voxel is grey matter of each node."""
    nodes = nodes_at(head.template_mm)
    rows, columns, values = [], [], []
    for corner in np.ndindex(2, 2, 2):
        fine = tuple((2 * brain + corner).T)
        rows.append(np.arange(len(brain)))
        columns.append(nodes[fine])
        values.append(head.maps["gm"][fine] / 8)
    index = np.concatenate(rows), np.concatenate(columns)
    return coo_array((np.concatenate(values), index), shape=(len(brain), len(node_names()))).tocsr()


def nodes_at(template_mm: np.ndarray) -> np.ndarray:
    """Number of the node (as in :func:`node_names`) that grey matter at these places belongs to."""
    nodes, affine = _node_map()
    step = np.linalg.inv(affine)
    index = np.rint(template_mm @ step[:3, :3].T + step[:3, 3]).astype(np.intp)
    index = np.clip(index, 0, np.array(nodes.shape) - 1)
    return nodes[index[..., 0], index[..., 1], index[..., 2]]


@lru_cache(maxsize=1)
def _node_map() -> tuple[np.ndarray, np.ndarray]:
    """The template's nodes, parcels grown into the grey matter beside them."""
    atlas = schaefer(100).image
    every = slice(None, None, 2)
    parcels = np.asanyarray(atlas.dataobj)[every, every, every]
    affine = atlas.affine @ np.diag([2, 2, 2, 1])
    step = float(abs(affine[0, 0]))
    far, nearest = distance_transform_edt(parcels == 0, sampling=step, return_indices=True)
    grown = np.where(far <= PARCEL_REACH_MM, parcels[tuple(nearest)], 0)
    names = node_names()
    nodes = np.where(grown > 0, grown - 1, names.index(OTHER))
    labels = np.asanyarray(structures().image.dataobj)[every, every, every]
    groups = structures().groups("structure")
    for name in SUBCORTEX:
        nodes[np.isin(labels, groups[name])] = names.index(name)
    cerebellum = [*groups["CerebellumCortex_L"], *groups["CerebellumCortex_R"]]
    nodes[np.isin(labels, cerebellum)] = names.index(OTHER)
    return nodes.astype(np.int16), affine


def _sidecar(person: Person, protocol: Protocol) -> dict[str, object]:
    readout = {"TotalReadoutTime": BOLD_READOUT_S} if protocol.off_resonance_hz else {}
    return {
        **readout,
        "TaskName": TASK,
        "Instructions": "Keep your eyes open and think of nothing in particular.",
        "Manufacturer": person.scanner.manufacturer,
        "ManufacturersModelName": person.scanner.model,
        "MagneticFieldStrength": round(protocol.field_t, 3),
        "RepetitionTime": protocol.func.repetition_time_s,
        "EchoTime": protocol.func.echo_time_s,
        "FlipAngle": 77,
        "PhaseEncodingDirection": "j-",
        "PulseSequenceType": "Gradient echo EPI",
    }


def bold_files(person: Person, protocol: Protocol) -> list[Path]:
    """The run, its true motion, and the field map where the field is bent."""
    image = (".nii.gz", ".json")
    files = []
    for echo in _echo_entities(protocol):
        files += named(person, "func", "bold", image, task=TASK, **echo)
    files.append(truth_file(person, "motion", ".tsv", task=TASK))
    if protocol.off_resonance_hz:
        for suffix in ("fieldmap", "magnitude"):
            files += named(person, "fmap", suffix, image)
    return files


def _echo_entities(protocol: Protocol) -> list[dict[str, str]]:
    """The entity of each echo; none where there is one."""
    count = 1 + len(protocol.func.more_echoes_s)
    return [{"echo": str(n)} for n in range(1, count + 1)] if count > 1 else [{}]


def write_bold(
    out: Path, anatomy: Anatomy, person: Person, protocol: Protocol, streams: RandomStreams
) -> Measured:
    """Simulate the run and write it."""
    bold = simulate_bold(anatomy, person, protocol, streams.scan, lasting=streams.lasting)
    times = (protocol.func.echo_time_s, *protocol.func.more_echoes_s)
    images = [
        write_scan(
            out, person, "func", "bold", whole_numbers(data), bold.affine,
            {**bold.metadata, "EchoTime": time}, tr_s=bold.tr_s, task=TASK, **echo,
        )
        for data, time, echo in zip(
            (bold.data, *bold.more_echoes), times, _echo_entities(protocol), strict=True
        )
    ]  # fmt: skip
    write_motion(bold.motion, out / truth_file(person, "motion", ".tsv", task=TASK))
    if bold.field_map is not None and bold.magnitude is not None:
        metadata = {"Units": "Hz", "IntendedFor": [bids_uri(image, out) for image in images]}
        write_scan(out, person, "fmap", "fieldmap", bold.field_map, bold.affine, metadata)
        magnitude = whole_numbers(bold.magnitude)
        write_scan(out, person, "fmap", "magnitude", magnitude, bold.affine, {})
    return Measured(bold.truth, {"since_t1w_mm_rad": bold.since_t1w})


SIMULATOR = Simulator(stream=2, files=bold_files, write=write_bold, units={"mean_fd": "mm"})
