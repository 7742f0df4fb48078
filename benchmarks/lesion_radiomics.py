"""Radiomic features on images with published values, and how far they depend on who drew the border.

``python benchmarks/lesion_radiomics.py DATA [PART ...]`` with DATA the folder of real images. Parts:

``pyradiomics``
    a brain tumour (MRI) whose values PyRadiomics published, feature by feature: equal, or what
    differs in the definition, and whether the difference is then explained.
``borders``
    three tumours on MRI and two on CT: the border is drawn again (see ``perturbed_masks``); by family,
    the coefficient of variation of features over redrawn borders, and on MRI ICC(3,1).

The values of the Image Biomarker Standardisation Initiative are tests (``tests/unit/lesion``).
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
from rich.console import Console
from rich.table import Table

from commissure.intraclass import icc_c1
from commissure.lesion.radiomics import CT, MRI, RadiomicsSettings, radiomic_features
from commissure.lesion.robustness import perturbed_masks

#: Our tag of each feature of PyRadiomics, without the aggregation.
NAMES = {
    "firstorder": {
        "Mean": "stat_mean", "Median": "stat_median", "Minimum": "stat_min", "Maximum": "stat_max",
        "Range": "stat_range", "Variance": "stat_var", "Skewness": "stat_skew",
        "Kurtosis": "stat_kurt", "10Percentile": "stat_p10", "90Percentile": "stat_p90",
        "InterquartileRange": "stat_iqr", "MeanAbsoluteDeviation": "stat_mad",
        "RobustMeanAbsoluteDeviation": "stat_rmad", "Energy": "stat_energy",
        "RootMeanSquared": "stat_rms", "Entropy": "ih_entropy", "Uniformity": "ih_uniformity",
    },
    "shape": {
        "MeshVolume": "morph_volume", "VoxelVolume": "morph_vol_approx",
        "SurfaceArea": "morph_area_mesh", "SurfaceVolumeRatio": "morph_av",
        "Sphericity": "morph_sphericity", "Maximum3DDiameter": "morph_diam",
        "MajorAxisLength": "morph_pca_maj_axis", "MinorAxisLength": "morph_pca_min_axis",
        "LeastAxisLength": "morph_pca_least_axis", "Elongation": "morph_pca_elongation",
        "Flatness": "morph_pca_flatness",
    },
    "glcm": {
        "JointAverage": "cm_joint_avg", "JointEntropy": "cm_joint_entr", "JointEnergy": "cm_energy",
        "MaximumProbability": "cm_joint_max", "SumSquares": "cm_joint_var",
        "SumAverage": "cm_sum_avg", "SumEntropy": "cm_sum_entr", "Contrast": "cm_contrast",
        "DifferenceAverage": "cm_diff_avg", "DifferenceVariance": "cm_diff_var",
        "DifferenceEntropy": "cm_diff_entr", "Id": "cm_inv_diff", "Idn": "cm_inv_diff_norm",
        "Idm": "cm_inv_diff_mom", "Idmn": "cm_inv_diff_mom_norm", "InverseVariance": "cm_inv_var",
        "Correlation": "cm_corr", "Autocorrelation": "cm_auto_corr",
        "ClusterTendency": "cm_clust_tend", "ClusterShade": "cm_clust_shade",
        "ClusterProminence": "cm_clust_prom", "Imc1": "cm_info_corr1", "Imc2": "cm_info_corr2",
    },
    "glrlm": {
        "ShortRunEmphasis": "rlm_sre", "LongRunEmphasis": "rlm_lre",
        "LowGrayLevelRunEmphasis": "rlm_lgre", "HighGrayLevelRunEmphasis": "rlm_hgre",
        "ShortRunLowGrayLevelEmphasis": "rlm_srlge", "ShortRunHighGrayLevelEmphasis": "rlm_srhge",
        "LongRunLowGrayLevelEmphasis": "rlm_lrlge", "LongRunHighGrayLevelEmphasis": "rlm_lrhge",
        "GrayLevelNonUniformity": "rlm_glnu",
        "GrayLevelNonUniformityNormalized": "rlm_glnu_norm",
        "RunLengthNonUniformity": "rlm_rlnu", "RunLengthNonUniformityNormalized": "rlm_rlnu_norm",
        "RunPercentage": "rlm_r_perc", "GrayLevelVariance": "rlm_gl_var",
        "RunVariance": "rlm_rl_var", "RunEntropy": "rlm_rl_entr",
    },
    "glszm": {
        "SmallAreaEmphasis": "szm_sze", "LargeAreaEmphasis": "szm_lze",
        "LowGrayLevelZoneEmphasis": "szm_lgze", "HighGrayLevelZoneEmphasis": "szm_hgze",
        "SmallAreaLowGrayLevelEmphasis": "szm_szlge",
        "SmallAreaHighGrayLevelEmphasis": "szm_szhge",
        "LargeAreaLowGrayLevelEmphasis": "szm_lzlge",
        "LargeAreaHighGrayLevelEmphasis": "szm_lzhge", "GrayLevelNonUniformity": "szm_glnu",
        "GrayLevelNonUniformityNormalized": "szm_glnu_norm",
        "SizeZoneNonUniformity": "szm_zsnu", "SizeZoneNonUniformityNormalized": "szm_zsnu_norm",
        "ZonePercentage": "szm_z_perc", "GrayLevelVariance": "szm_gl_var",
        "ZoneVariance": "szm_zs_var", "ZoneEntropy": "szm_zs_entr",
    },
    "ngtdm": {
        "Coarseness": "ngt_coarseness", "Contrast": "ngt_contrast", "Busyness": "ngt_busyness",
        "Complexity": "ngt_complexity", "Strength": "ngt_strength",
    },
    "gldm": {
        "SmallDependenceEmphasis": "ngl_lde", "LargeDependenceEmphasis": "ngl_hde",
        "LowGrayLevelEmphasis": "ngl_lgce", "HighGrayLevelEmphasis": "ngl_hgce",
        "SmallDependenceLowGrayLevelEmphasis": "ngl_ldlge",
        "SmallDependenceHighGrayLevelEmphasis": "ngl_ldhge",
        "LargeDependenceLowGrayLevelEmphasis": "ngl_hdlge",
        "LargeDependenceHighGrayLevelEmphasis": "ngl_hdhge",
        "GrayLevelNonUniformity": "ngl_glnu", "DependenceNonUniformity": "ngl_dcnu",
        "DependenceNonUniformityNormalized": "ngl_dcnu_norm", "GrayLevelVariance": "ngl_gl_var",
        "DependenceVariance": "ngl_dc_var", "DependenceEntropy": "ngl_dc_entr",
    },
}  # fmt: skip
#: Of a feature defined otherwise there: why, and our value by its definition.
Explained = tuple[str, Callable[[dict[str, float]], float]]


def explanations(bin_width: float, shift: float, voxels: int) -> dict[str, Explained]:
    """What PyRadiomics defines otherwise, and how our features give its value."""
    return {
        "Kurtosis": ("+3: not the excess", lambda f: f["stat_kurt"] + 3),
        "Energy": (
            f"of values + {shift:g}",
            lambda f: voxels * (f["stat_var"] + (f["stat_mean"] + shift) ** 2),
        ),
        "RootMeanSquared": (
            f"of values + {shift:g}",
            lambda f: float(np.sqrt(f["stat_var"] + (f["stat_mean"] + shift) ** 2)),
        ),
        **{
            f"{name}AxisLength": ("divides by n, not n - 1", _by_n(tag, voxels))
            for name, tag in (("Major", "maj"), ("Minor", "min"), ("Least", "least"))
        },
        **{
            name: ("another table of marching cubes: not computed", lambda f: np.nan)
            for name in ("MeshVolume", "SurfaceArea", "SurfaceVolumeRatio", "Sphericity")
        },
    }


def _by_n(tag: str, voxels: int) -> Callable[[dict[str, float]], float]:
    return lambda f: f[f"morph_pca_{tag}_axis"] * float(np.sqrt((voxels - 1) / voxels))


def tumour(data: Path) -> tuple[nib.Nifti1Image, np.ndarray]:
    """The brain tumour of PyRadiomics."""
    import SimpleITK

    folder = data / "oncology/pyradiomics-brain1"
    image = SimpleITK.ReadImage(str(folder / "brain1_image.nrrd"))
    mask = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "brain1_label.nrrd"))).T
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    return nib.Nifti1Image(SimpleITK.GetArrayFromImage(image).T.astype(float), affine), mask > 0


def pyradiomics(data: Path, console: Console) -> None:
    image, mask = tumour(data)
    width, shift = 25.0, 2000.0
    # Its bins begin at a multiple of their width.
    lowest = float(np.floor(image.get_fdata()[mask].min() / width) * width)
    started = time.process_time()
    settings = RadiomicsSettings(
        resolution_mm=None, outlier_sd=None, bins=None, bin_width=width,
        intensity_range=(lowest, 1e6), aggregation="3D averaged",
    )  # fmt: skip
    # Bins of a width are for Hounsfield units, so an image without negative values is refused.
    moved = nib.Nifti1Image(image.get_fdata() - 1e5, image.affine)
    moved_settings = settings.model_copy(update={"intensity_range": (lowest - 1e5, 1e6)})
    features = radiomic_features(moved, mask, moved_settings)
    plain = radiomic_features(image, mask, MRI.model_copy(update={
        "resolution_mm": None, "outlier_sd": None, "aggregation": "3D averaged",
    }))  # fmt: skip
    features |= {tag: plain[tag] for tag in plain if tag.startswith(("stat_", "morph_"))}
    cost = time.process_time() - started
    known = explanations(width, shift, int(mask.sum()))
    table = Table(
        "feature", "PyRadiomics", "here", "difference", "why", title="a brain tumour, MRI"
    )
    equal = explained = total = 0
    for family, names in NAMES.items():
        path = data / f"oncology/pyradiomics-brain1/baseline_{family}.csv"
        with path.open(newline="") as file:
            theirs = {row[0]: row[1] for row in csv.reader(file)}
        for name, tag in names.items():
            value = float(theirs[f"original_{family}_{name}"])
            found = next(v for t, v in features.items() if t == tag or t.startswith(f"{tag}_3D"))
            total += 1
            if np.isclose(found, value, rtol=1e-6):
                equal += 1
                continue
            why, ours = known.get(name, ("", lambda f: np.nan))
            explained += bool(np.isclose(ours(features), value, rtol=1e-6))
            table.add_row(
                f"{family} {name}", f"{value:.6g}", f"{found:.6g}", f"{found / value - 1:+.2%}", why
            )
    console.print(table)
    console.print(
        f"{equal} of {total} equal to 1e-6, {explained} more by the definition named; {cost:.2f} CPU s"
    )


def borders(data: Path, console: Console, draws: int) -> None:
    lesions = {"MRI": [tumour(data)], "CT": []}
    for person in ("STS_008", "STS_019"):
        for kind, name in (("MRI", "MR_T1"), ("CT", "CT")):
            folder = data / "oncology/sts-ibsi-validation" / person
            image = nib.load(folder / f"{name}_image.nii.gz")
            mask = np.asanyarray(nib.load(folder / f"{name}_mask.nii.gz").dataobj) > 0
            lesions[kind].append((image, mask))
    for kind, settings in (("MRI", MRI), ("CT", CT)):
        started = time.process_time()
        values, tags = [], []
        for image, mask in lesions[kind]:
            image, mask = around(image, mask)
            rows = []
            for other in perturbed_masks(mask, image.header.get_zooms(), count=draws, seed=1):
                found = radiomic_features(image, other, settings)
                tags = list(found)
                rows.append(list(found.values()))
            values.append(rows)
        table = np.array(values)
        with np.errstate(all="ignore"):
            variation = np.abs(table.std(axis=1) / table.mean(axis=1)).mean(axis=0)
        agreement = icc_c1(table) if len(table) > 2 else np.full(len(tags), np.nan)
        shown = Table("family", "features", "variation (median)", "below 10 %", "ICC(3,1) (median)", "ICC >= .9",
                      title=f"{len(table)} tumours on {kind}, {draws} borders each")  # fmt: skip
        families = np.array([tag.split("_")[0] for tag in tags])
        for family in dict.fromkeys(families):
            of = families == family
            icc = agreement[of & np.isfinite(agreement)]
            shown.add_row(
                family, str(of.sum()), f"{np.nanmedian(variation[of]):.1%}",
                f"{(variation[of] < 0.1).sum()}",
                f"{np.median(icc):.2f}" if icc.size else "-",
                f"{(icc >= 0.9).sum()}" if icc.size else "-",
            )  # fmt: skip
        console.print(shown)
        each = (time.process_time() - started) / (len(table) * draws)
        console.print(f"{each:.2f} CPU s for a lesion")


def around(
    image: nib.Nifti1Image, mask: np.ndarray, margin: int = 12
) -> tuple[nib.Nifti1Image, np.ndarray]:
    """Image and mask near the lesion: what lies far away is not needed."""
    places = np.argwhere(mask)
    low = np.maximum(places.min(axis=0) - margin, 0)
    high = np.minimum(places.max(axis=0) + margin + 1, mask.shape)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return image.slicer[part], mask[part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("parts", nargs="*", default=["pyradiomics", "borders"])
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    console = Console(width=110)
    if "pyradiomics" in arguments.parts:
        pyradiomics(arguments.data, console)
    if "borders" in arguments.parts:
        borders(arguments.data, console, arguments.draws)


if __name__ == "__main__":
    main()
