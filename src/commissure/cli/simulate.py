"""``commissure simulate``: a BIDS cohort with known truth."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable


def _site(text: str) -> tuple[int, int, int]:
    """Read ``5,8,12``: controls, responsive and resistant people of a site."""
    try:
        controls, responsive, resistant = (int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not three numbers of people, as 5,8,12") from None
    return controls, responsive, resistant


def _shell(text: str) -> tuple[float, int]:
    """Read ``2000:60``: b-value and directions."""
    b_value, _, directions = text.partition(":")
    try:
        return float(b_value), int(directions)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is not b-value:directions, as 2000:60") from None


_PROTOCOL = "Protocol (instead of what the preset says)"


def _protocol_option(text: str) -> typer.models.OptionInfo:
    return typer.Option(help=text, rich_help_panel=_PROTOCOL, show_default=False)


def simulate(
    out: Annotated[Path, typer.Argument(help="Folder of the new BIDS dataset.")],
    preset: Annotated[
        str,
        typer.Option(
            help="demo (fast), clinical, null (demo without effects) or tiny (for tests)."
        ),
    ] = "demo",
    controls: Annotated[int, typer.Option(help="Healthy controls.")] = 14,
    responsive: Annotated[int, typer.Option(help="Patients who respond.")] = 17,
    resistant: Annotated[int, typer.Option(help="Treatment-resistant patients.")] = 17,
    sites: Annotated[int, typer.Option(help="Scanners.")] = 2,
    site_balance: Annotated[
        float, typer.Option(help="How far the share of resistant people differs by site, 0 to 1.")
    ] = 0.2,
    site: Annotated[
        list[str] | None,
        typer.Option(
            help="controls,responsive,resistant of one site, as 5,8,12; once for every site, "
            "instead of the numbers above."
        ),
    ] = None,
    missing: Annotated[
        float, typer.Option(help="Share of the modalities that are missing, 0 to 0.5.")
    ] = 0.08,
    missing_by: Annotated[
        str, typer.Option(help="What decides who lacks them: random, site or severity.")
    ] = "random",
    effects: Annotated[
        float | None,
        typer.Option(
            help="Factor on all differences between groups, 0 to 3 (default 1; 0 with null).",
            show_default=False,
        ),
    ] = None,
    patient_effects: Annotated[
        float, typer.Option(help="Further factor on patients against controls.")
    ] = 1.0,
    resistant_effects: Annotated[
        float, typer.Option(help="Further factor on resistant against responsive.")
    ] = 1.0,
    auc: Annotated[
        float | None,
        typer.Option(
            help="Instead of --resistant-effects: area under the curve of whoever knows all true "
            "markers.",
            show_default=False,
        ),
    ] = None,
    visits: Annotated[int, typer.Option(help="How often everybody is scanned.")] = 1,
    years_between: Annotated[
        float, typer.Option(help="Years between visits; 0 changes nothing but the noise.")
    ] = 1.0,
    travelling: Annotated[int, typer.Option(help="Controls who are scanned at every site.")] = 0,
    motion: Annotated[
        float, typer.Option(help="Factor on head motion; 0: the same people lie still.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    noise_seed: Annotated[
        int | None,
        typer.Option(help="The same people with other movement and noise.", show_default=False),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=0, help="Scans simulated at a time; 0: one per core.")
    ] = 0,
    t1w_mm: Annotated[float | None, _protocol_option("Voxel of the T1w, mm.")] = None,
    t1w_snr: Annotated[float | None, _protocol_option("White matter over noise.")] = None,
    bold_mm: Annotated[float | None, _protocol_option("Voxel of the BOLD run, mm.")] = None,
    bold_volumes: Annotated[int | None, _protocol_option("Volumes of the BOLD run.")] = None,
    bold_tr: Annotated[float | None, _protocol_option("Its repetition time, s.")] = None,
    bold_te: Annotated[float | None, _protocol_option("Its echo time, s.")] = None,
    bold_tsnr: Annotated[float | None, _protocol_option("Mean over thermal noise.")] = None,
    dwi_mm: Annotated[float | None, _protocol_option("Voxel of the DWI, mm.")] = None,
    dwi_directions: Annotated[int | None, _protocol_option("Directions, first shell.")] = None,
    dwi_b_value: Annotated[float | None, _protocol_option("Its b-value, s/mm².")] = None,
    dwi_b0s: Annotated[int | None, _protocol_option("Unweighted volumes.")] = None,
    dwi_shell: Annotated[
        list[str] | None, _protocol_option("A further shell, as 2000:60 (b-value:directions).")
    ] = None,
    dwi_snr: Annotated[float | None, _protocol_option("White matter at b 0 over noise.")] = None,
    dwi_crossing: Annotated[bool | None, _protocol_option("Crossing fibres.")] = None,
    dwi_eddy_mm: Annotated[float | None, _protocol_option("Eddy displacement, mm.")] = None,
    dwi_reversed_b0s: Annotated[
        int | None, _protocol_option("Unweighted volumes with reversed phase encoding.")
    ] = None,
    field_hz: Annotated[
        float | None, _protocol_option("Strongest off-resonance: distortion, and a field map.")
    ] = None,
    mrs_sequence: Annotated[str | None, _protocol_option("PRESS, sLASER or MEGA-PRESS.")] = None,
    mrs_edit_ppm: Annotated[
        float | None, _protocol_option("Editing pulse of MEGA-PRESS: 4.56 for GSH, 1.9 for GABA.")
    ] = None,
    mrs_te: Annotated[float | None, _protocol_option("Echo time, s.")] = None,
    mrs_tr: Annotated[float | None, _protocol_option("Repetition time, s.")] = None,
    mrs_shots: Annotated[int | None, _protocol_option("Transients.")] = None,
    mrs_coils: Annotated[int | None, _protocol_option("Receive coils.")] = None,
    mrs_snr: Annotated[float | None, _protocol_option("tNAA over noise, averaged.")] = None,
) -> None:
    """Simulate a BIDS cohort with four modalities and known truth."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    from commissure.phantom.simulate import simulate as write_cohort

    protocol = {
        "t1w_mm": t1w_mm,
        "t1w_snr": t1w_snr,
        "bold_mm": bold_mm,
        "bold_volumes": bold_volumes,
        "bold_tr_s": bold_tr,
        "bold_te_s": bold_te,
        "bold_tsnr": bold_tsnr,
        "dwi_mm": dwi_mm,
        "dwi_directions": dwi_directions,
        "dwi_b_value": dwi_b_value,
        "dwi_b0s": dwi_b0s,
        "dwi_more_shells": tuple(map(_shell, dwi_shell)) if dwi_shell else None,
        "dwi_snr": dwi_snr,
        "dwi_crossing": dwi_crossing,
        "dwi_eddy_mm": dwi_eddy_mm,
        "dwi_reversed_b0s": dwi_reversed_b0s,
        "field_hz": field_hz,
        "mrs_sequence": mrs_sequence,
        "mrs_edit_ppm": mrs_edit_ppm,
        "mrs_te_s": mrs_te,
        "mrs_tr_s": mrs_tr,
        "mrs_shots": mrs_shots,
        "mrs_coils": mrs_coils,
        "mrs_snr": mrs_snr,
    }
    site_people = tuple(map(_site, site or ()))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Elapsed())
    with readable(), Progress(*columns) as bar:
        task = bar.add_task(f"simulating into {out}", total=None)

        def advance(scans: int) -> None:
            bar.update(task, advance=1, total=scans)

        write_cohort(
            out,
            preset=preset,
            protocol=protocol,
            controls=controls,
            responsive=responsive,
            resistant=resistant,
            sites=sites,
            site_people=site_people,
            site_balance=site_balance,
            missing=missing,
            missing_by=missing_by,  # type: ignore[arg-type]
            effects=effects,
            patient_effects=patient_effects,
            resistant_effects=resistant_effects,
            auc=auc,
            visits=visits,
            years_between=years_between,
            travelling=travelling,
            motion=motion,
            seed=seed,
            noise_seed=noise_seed,
            jobs=jobs or len(os.sched_getaffinity(0)),
            progress=advance,
        )
