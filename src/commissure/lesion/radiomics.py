"""Radiomic features of a lesion, as the Image Biomarker Standardisation Initiative defines them.

Z-Rad (extra ``lesion``) computes them; what it is given is said by a :class:`RadiomicsSettings`.
Names are the tags of the initiative, as ``stat_mean`` and ``cm_contrast_3D_comb``.

References
----------
Zwanenburg A et al., The Image Biomarker Standardization Initiative, Radiology 295:328, 2020;
reference manual arXiv:1612.07003.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

import nibabel as nib
import numpy as np
from pydantic import Field, model_validator

from commissure.errors import ConfigError, DatasetError
from commissure.settings import Section

Family = Literal[
    "morphology",
    "local_intensity",
    "intensity_statistics",
    "intensity_histogram",
    "glcm",
    "glrlm",
    "glszm",
    "gldzm",
    "ngtdm",
    "ngldm",
    "ivh",
]
Aggregation = Literal[
    "3D merged",
    "3D averaged",
    "2.5D merged",
    "2.5D direction-merged",
    "2D averaged",
    "2D slice-merged",
]

#: What Z-Rad calls the ways to gather a texture over directions and slices.
_AGGREGATIONS: dict[Aggregation, tuple[str, str]] = {
    "3D merged": ("3D", "MERG"),
    "3D averaged": ("3D", "AVER"),
    "2.5D merged": ("2.5D", "MERG"),
    "2.5D direction-merged": ("2.5D", "DIR_MERG"),
    "2D averaged": ("2D", "AVER"),
    "2D slice-merged": ("2D", "SLICE_MERG"),
}
#: Fewer voxels have no texture.
LEAST_VOXELS = 64


class RadiomicsSettings(Section):
    """How an image is prepared before its features are computed.

    The steps and their order are those of the initiative: both image and mask on one grid, grey
    values rounded, voxels beyond a range or far from the mean left out, grey values in bins.
    """

    resolution_mm: float | tuple[float, float, float] | None = Field(
        1.0, description="Voxel size of the common grid; none keeps the image's own."
    )
    interpolation: Literal["linear", "bspline"] = Field(
        "linear", description="How grey values are brought to the grid; masks linearly, at 0.5."
    )
    rounded: bool = Field(False, description="Round grey values to whole numbers: CT.")
    intensity_range: tuple[float, float] | None = Field(
        None, description="Voxels with other grey values are left out: [-1000, 400] for CT."
    )
    outlier_sd: float | None = Field(
        3.0, gt=0, description="Voxels further from the mean of the mask are left out."
    )
    bins: int | None = Field(32, ge=2, description="A fixed number of bins: MRI.")
    bin_width: float | None = Field(None, gt=0, description="A fixed width of bins: 25 HU for CT.")
    ivh_bins: int | None = Field(None, ge=2, description="Bins of the volume histogram.")
    ivh_bin_width: float | None = Field(None, gt=0, description="Their width, instead.")
    aggregation: Aggregation = Field(
        "3D merged", description="How textures are gathered over directions and slices."
    )
    families: tuple[Family, ...] | None = Field(None, description="Families; none is all.")

    @model_validator(mode="after")
    def _one_way_to_bin(self) -> RadiomicsSettings:
        if (self.bins is None) == (self.bin_width is None):
            raise ValueError("one of bins and bin_width is needed, and not both")
        if self.bin_width is not None and self.intensity_range is None:
            raise ValueError(
                "bins of a fixed width need an intensity_range, at whose lower end they begin"
            )
        return self


#: Magnetic resonance: no unit, so a fixed number of bins.
MRI = RadiomicsSettings()
#: Computed tomography in Hounsfield units.
CT = RadiomicsSettings(
    rounded=True, intensity_range=(-1000.0, 400.0), outlier_sd=None, bins=None, bin_width=25.0,
    ivh_bin_width=2.5,
)  # fmt: skip


def radiomic_features(
    image: nib.Nifti1Image,
    mask: np.ndarray,
    settings: RadiomicsSettings = MRI,
    *,
    name: str = "the lesion",
) -> dict[str, float]:
    """Radiomic features of one lesion.

    Parameters
    ----------
    image
        3-D image; grey values of CT in Hounsfield units.
    mask
        (X, Y, Z) bool on the image's grid.
    settings
        How it is prepared.
    name
        Who is named in an error.

    Returns
    -------
    dict
        Feature by tag. NaN is a feature that is not defined there, as a texture of one grey value.

    Raises
    ------
    ConfigError
        The extra ``lesion`` is not installed.
    DatasetError
        The mask is empty, lies on another grid, or has fewer than 64 voxels on the common grid;
        grey values of CT that cannot be Hounsfield units; a voxel of the mask without a number.
    """
    from zrad.radiomics import Radiomics

    region = prepared_region(image, mask, settings, name=name)
    dimension, method = _AGGREGATIONS[settings.aggregation]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        features = Radiomics(aggr_dim=dimension, aggr_method=method).extract_features(
            region, families=list(settings.families or ("all",))
        )
    return {
        tag: float(value) if np.isfinite(value) else float("nan") for tag, value in features.items()
    }


def prepared_region(
    image: nib.Nifti1Image, mask: np.ndarray, settings: RadiomicsSettings, *, name: str
) -> Any:
    """The region of which features are computed, prepared in the order of the initiative.

    Returns
    -------
    zrad.preprocessing.RoiData
        Image, masks and grey values in bins, cropped.

    Raises
    ------
    ConfigError, DatasetError
        As :func:`radiomic_features` says.
    """
    require_extra()
    from zrad import preprocessing as steps

    data = _refuse_bad_input(image, mask, settings, name)
    region = steps.RoiData(
        image=_zrad_image(data, image), morphological_mask=_zrad_image(mask.astype(float), image)
    )
    chain: list[tuple[str, object]] = []
    if settings.resolution_mm is not None:
        rounding = "nearest_integer" if settings.rounded else None
        size = settings.resolution_mm
        chain += [
            ("image", steps.ImageResampler(size, settings.interpolation, rounding)),
            ("mask", steps.MaskResampler(size, "linear", 0.5)),
        ]
    chain.append(("region", steps.IntensityMaskBuilder()))
    if settings.intensity_range is not None or settings.outlier_sd is not None:
        resegmenter = steps.Resegmenter(settings.intensity_range, settings.outlier_sd)
        chain.append(("range", resegmenter))
    chain += [("bins", _discretizer(settings)), ("volume histogram", _ivh(settings))]
    # Local peaks look 6.2 mm around the region.
    chain.append(("crop", steps.RoiCropper(padding=8)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            prepared = steps.Pipeline(chain).apply(region)
    except ValueError as error:
        raise DatasetError(
            name, found=f"no voxel is left once it is prepared ({error})",
            wanted="a lesion of at least 64 voxels within intensity_range",
            mend="Look at its mask and at the grey values there",
        ) from error  # fmt: skip
    voxels = int(np.isfinite(prepared.intensity_mask.array).sum())
    if voxels < LEAST_VOXELS:
        raise DatasetError(
            name, found=f"{voxels} voxels are left on the common grid",
            wanted=f"at least {LEAST_VOXELS}, since fewer have no texture",
            mend="Leave it out of radiomics, or set a finer resolution_mm",
        )  # fmt: skip
    return prepared


def require_extra() -> None:
    """Refuse to go on where Z-Rad is not installed.

    Raises
    ------
    ConfigError
        The extra ``lesion`` is not installed.
    """
    if find_spec("zrad") is None:
        raise ConfigError(
            "radiomics", found="Z-Rad is not installed",
            wanted="the extra 'lesion' of this installation", mend='Run `make env EXTRAS="lesion"`',
        )  # fmt: skip


def _discretizer(settings: RadiomicsSettings) -> object:
    from zrad.preprocessing import TextureDiscretizer

    if settings.bins is not None:
        return TextureDiscretizer(number_of_bins=settings.bins)
    return TextureDiscretizer(bin_size=settings.bin_width)


def _ivh(settings: RadiomicsSettings) -> object:
    from zrad.preprocessing import IVHIntensityDiscretizer

    if settings.ivh_bins is not None:
        return IVHIntensityDiscretizer("fixed_bin_number", number_of_bins=settings.ivh_bins)
    if settings.ivh_bin_width is not None:
        return IVHIntensityDiscretizer("fixed_bin_size", bin_size=settings.ivh_bin_width)
    if settings.rounded:
        return IVHIntensityDiscretizer("direct")
    # Grey values without a unit: as many bins as the initiative takes for them.
    return IVHIntensityDiscretizer("fixed_bin_number", number_of_bins=1000)


def _zrad_image(data: np.ndarray, image: nib.Nifti1Image) -> object:
    """An array as Z-Rad and SimpleITK take it: axes reversed, geometry in LPS."""
    import SimpleITK
    from zrad.image import Image

    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    result = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    result.SetSpacing(spacing.tolist())
    result.SetOrigin(affine[:3, 3].tolist())
    result.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    return Image._from_sitk_image(result)


def _refuse_bad_input(
    image: nib.Nifti1Image, mask: np.ndarray, settings: RadiomicsSettings, name: str
) -> np.ndarray:
    """The grey values, where image and mask can be worked with."""
    data = np.asanyarray(image.dataobj).astype(float)
    if data.shape != mask.shape:
        raise DatasetError(
            name, found=f"its mask has {mask.shape} voxels", wanted=f"the image's {data.shape}",
            mend="Draw or resample the mask on the grid of the image",
        )  # fmt: skip
    if not mask.any():
        raise DatasetError(
            name, found="its mask is empty", wanted="at least one voxel",
            mend="Leave out this lesion at this visit",
        )  # fmt: skip
    inside = data[mask]
    if not np.isfinite(inside).all():
        raise DatasetError(
            name, found=f"{int((~np.isfinite(inside)).sum())} of its voxels hold no number",
            wanted="finite grey values", mend="Convert the image again",
        )  # fmt: skip
    if settings.bin_width is not None and data.min() >= 0:
        raise DatasetError(
            name, found=f"the least grey value of the image is {data.min():g}",
            wanted="Hounsfield units, of which air has about -1000",
            mend="Apply the rescale slope and intercept of the DICOM files, or take the settings "
            "of MRI",
        )  # fmt: skip
    return data


def feature_changes(
    baseline: Mapping[str, float], followup: Mapping[str, float], *, least: float = 1e-6
) -> dict[str, float]:
    """Delta-radiomics: how features changed, relative to baseline.

    Parameters
    ----------
    baseline, followup
        Features by tag, prepared in the same way.
    least
        Where a baseline is nearer to zero than this share of the larger of the two values, a ratio
        says nothing, and the difference is given.

    Returns
    -------
    dict
        ``delta_<tag>``: (follow-up - baseline) / |baseline|, or the plain difference.

    Raises
    ------
    DatasetError
        The two have different features: they were not prepared in the same way.
    """
    if set(baseline) != set(followup):
        odd = sorted(set(baseline) ^ set(followup))
        raise DatasetError(
            "delta-radiomics", found=f"{len(odd)} features are of one visit only, as {odd[0]}",
            wanted="the same features at both visits", mend="Prepare both visits in the same way",
        )  # fmt: skip
    result = {}
    for tag, before in baseline.items():
        after = followup[tag]
        scale = max(abs(before), abs(after))
        ratio = scale > 0 and abs(before) > least * scale
        result[f"delta_{tag}"] = (after - before) / (abs(before) if ratio else 1.0)
    return result
