"""Files of a spectroscopy measurement."""

from __future__ import annotations

import json

import numpy as np
import pytest

from commissure.phantom.scanner.mrs import simulate_mrs
from commissure.phantom.scanner.spin_systems import WATER_PPM


def test_file_follows_nifti_mrs_and_shows_naa_at_2_ppm(template_head, person, tiny, tmp_path):
    from nifti_mrs.create_nmrs import gen_nifti_mrs
    from nifti_mrs.nifti_mrs import NIFTI_MRS

    mrs = simulate_mrs(template_head, person, tiny, np.random.default_rng(1))
    image = gen_nifti_mrs(
        mrs.fid, 1 / tiny.mrs.spectral_width_hz, tiny.proton_mhz,
        affine=mrs.affine, dim_tags=["DIM_COIL", "DIM_DYN", None], no_conj=True,
    )  # fmt: skip
    for key, value in mrs.header_extension.items():
        image.add_hdr_field(key, value)
    image.save(tmp_path / "svs.nii.gz")
    read = NIFTI_MRS(str(tmp_path / "svs.nii.gz"))
    assert read.dim_tags[:2] == ["DIM_COIL", "DIM_DYN"]
    assert json.loads(read.hdr_ext.to_json())["EchoTime"] == tiny.mrs.echo_time_s
    raw = np.asarray(read.image.nibImage.dataobj)[0, 0, 0, :, 0, :]
    assert _peak_ppm(raw.mean(axis=1), tiny.proton_mhz) == pytest.approx(2.01, abs=0.03)


@pytest.mark.real
def test_a_measured_spectrum_shows_naa_at_2_ppm_by_the_same_reading(shared_data):
    import nibabel as nib

    path = shared_data / "bids" / "sub-op01" / "mrs" / "sub-op01_acq-press_svs.nii.gz"
    fid = np.asarray(nib.load(path).dataobj)[0, 0, 0]
    assert _peak_ppm(fid, 127.755) == pytest.approx(2.0, abs=0.03)


def _peak_ppm(fid: np.ndarray, field_mhz: float) -> float:
    spectrum = np.abs(np.fft.fft(fid))
    ppm = WATER_PPM - np.fft.fftfreq(len(fid), 1 / 2000) / field_mhz
    region = (ppm > 1.7) & (ppm < 2.3)
    assert spectrum[region].max() > 5 * np.median(spectrum)
    return float(ppm[region][spectrum[region].argmax()])
