"""What the modalities declare about their markers, and the markers of a lab's own tables.

The modules are imported by name: only such imports are followed by the digest that runs a
job again when a definition changes.
"""

from __future__ import annotations

from collections.abc import Iterable

from commissure.anat import definitions as anat
from commissure.definitions import HEAD_SIZE, Definition, ExclusionRule, RecoveryGoal
from commissure.dwi import definitions as dwi
from commissure.engines.ingress.registry import ingress_definitions
from commissure.engines.ingress.settings import IngressSettings
from commissure.errors import ConfigError
from commissure.func import definitions as func
from commissure.lesion import definitions as lesion
from commissure.markers.settings import TableSettings
from commissure.mrs import definitions as mrs

#: Modules by modality, in the order of :data:`commissure.modalities.MODALITIES`.
_DECLARED = {"anat": anat, "func": func, "dwi": dwi, "mrs": mrs, "lesion": lesion}


def definitions(
    tables: Iterable[TableSettings] = (), ingress: Iterable[IngressSettings] = ()
) -> dict[str, Definition]:
    """Definitions by marker name.

    Parameters
    ----------
    tables
        A lab's tables; a wide one defines its markers itself.
    ingress
        Output folders of other tools.

    Raises
    ------
    ConfigError
        A table's marker has the name of another marker.
    """
    measured = {
        definition.marker: definition
        for module in _DECLARED.values()
        for definition in module.DEFINITIONS
    }
    of_tools = ingress_definitions(ingress)
    defined = measured | of_tools
    for table in tables:
        if table.layout == "tidy":
            continue
        file = table.file.rsplit("/", 1)[-1]
        for marker, kind in table.kinds().items():
            definition = Definition(
                marker=marker,
                modality=table.modality,
                unit=kind.unit,
                description=kind.description or f"Columns of {file}.",
                source=table.source or file,
                role=kind.role,
                adjust=kind.adjust,
                given_by="table",
            )
            if marker in measured or defined.get(marker, definition) != definition:
                raise ConfigError(
                    f"tables ({table.file})",
                    found=f"the marker '{marker}' is defined elsewhere, too",
                    wanted="another name for each kind of value",
                    mend="Give tables[].marker another name, as fs_volume",
                )
            defined[marker] = definition
            if kind.adjust == "head_size" and HEAD_SIZE not in of_tools:
                defined[HEAD_SIZE] = Definition(
                    HEAD_SIZE, table.modality, kind.unit, "Head size, from a table of the lab.",
                    table.source or file, role="confound", given_by="table",
                )  # fmt: skip
    return defined


def products() -> dict[str, tuple[str, ...]]:
    """What an image of each modality is expected to yield, by modality."""
    return {modality: module.PRODUCTS for modality, module in _DECLARED.items()}


def exclusion_rules() -> list[tuple[str, ExclusionRule]]:
    """Modality and rule of every exclusion rule."""
    return [
        (modality, rule)
        for modality, module in _DECLARED.items()
        for rule in module.EXCLUSION_RULES
    ]


def recovery_goals() -> dict[str, RecoveryGoal]:
    """What the markers of each modality are expected to reach where the truth is known."""
    return {modality: module.RECOVERY_GOALS for modality, module in _DECLARED.items()}
