"""Options that ``commissure simulate`` once had: refused, with what is written in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer
from typer.core import TyperCommand

#: The setting that each option became.
RENAMED: Mapping[str, str] = {
    **{
        f"--{name.replace('_', '-')}": f"cohort.{name}"
        for name in (
            "controls", "responsive", "resistant", "sites", "site_balance", "missing", "missing_by",
            "effects", "patient_effects", "resistant_effects", "auc", "visits", "years_between",
            "travelling", "motion", "noise_seed",
        )
    },
    "--site": "cohort.site_people",
    "--t1w-mm": "anat.voxel_mm",
    "--t1w-snr": "anat.snr",
    "--bold-mm": "func.voxel_mm",
    "--bold-volumes": "func.volumes",
    "--bold-tr": "func.repetition_time_s",
    "--bold-te": "func.echo_time_s",
    "--bold-tsnr": "func.tsnr",
    "--dwi-mm": "dwi.voxel_mm",
    "--dwi-directions": "dwi.directions",
    "--dwi-b-value": "dwi.b_value_s_mm2",
    "--dwi-b0s": "dwi.b0s",
    "--dwi-shell": "dwi.more_shells",
    "--dwi-snr": "dwi.snr",
    "--dwi-crossing": "dwi.crossing",
    "--no-dwi-crossing": "dwi.crossing",
    "--dwi-eddy-mm": "dwi.eddy_mm",
    "--dwi-reversed-b0s": "dwi.reversed_b0s",
    "--field-hz": "off_resonance_hz",
    "--mrs-sequence": "mrs.sequence",
    "--mrs-edit-ppm": "mrs.edit_ppm",
    "--mrs-te": "mrs.echo_time_s",
    "--mrs-tr": "mrs.repetition_time_s",
    "--mrs-shots": "mrs.transients",
    "--mrs-coils": "mrs.coils",
    "--mrs-snr": "mrs.snr",
}  # fmt: skip

_FLAGS = {"--dwi-crossing": "true", "--no-dwi-crossing": "false"}
_LISTS = ("--site", "--dwi-shell")


class SimulateCommand(TyperCommand):
    """The command, which knows what its options were called before."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Refuse old options, all at once, with exit status 2."""
        sentences = renamed(args)
        if sentences:
            typer.echo(f"commissure: simulate: {'; '.join(sentences)}", err=True)
            raise typer.Exit(2)
        return super().parse_args(ctx, args)  # type: ignore[arg-type]


def renamed(args: Sequence[str]) -> list[str]:
    """Say of every old option among the arguments what it is now, with its value."""
    values: dict[str, list[str]] = {}
    for argument, following in zip(args, [*args[1:], ""], strict=True):
        option, equals, value = argument.partition("=")
        if option in RENAMED:
            given = value if equals else following
            values.setdefault(option, []).append(_FLAGS.get(option, given))
    return [
        f"{option} is now --set {RENAMED[option]}={_as_setting(option, given)}"
        for option, given in values.items()
    ]


def _as_setting(option: str, given: Sequence[str]) -> str:
    if option not in _LISTS:
        return given[-1]
    rows = ",".join("[" + value.replace(":", ",") + "]" for value in given)
    return f"[{rows}]"
