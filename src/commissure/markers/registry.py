"""What every marker means: the definitions of all rooms, and of a lab's own tables."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module

from commissure.errors import ConfigError
from commissure.markers.settings import TableSettings
from commissure.modalities import MODALITIES
from commissure.rows import Definition


def definitions(tables: Iterable[TableSettings] = ()) -> dict[str, Definition]:
    """Definitions by marker name.

    Parameters
    ----------
    tables
        A lab's tables; a wide one defines its marker itself.

    Raises
    ------
    ConfigError
        A table's marker has the name of another marker.
    """
    found: dict[str, Definition] = {}
    for room in MODALITIES:
        for definition in import_module(f"commissure.{room}.definitions").DEFINITIONS:
            found[definition.marker] = definition
    own = dict(found)
    for table in tables:
        if table.layout == "tidy":
            continue
        definition = Definition(
            marker=table.marker,
            modality=table.modality,
            unit=table.unit,
            description=table.description or f"Columns of {table.file.rsplit('/', 1)[-1]}.",
            source=table.source or table.file.rsplit("/", 1)[-1],
        )
        if table.marker in own or found.get(table.marker, definition) != definition:
            raise ConfigError(
                f"tables ({table.file})",
                found=f"the marker '{table.marker}' is defined elsewhere, too",
                wanted="a name of its own for each kind of value",
                mend="Give tables[].marker another name, as fs_volume",
            )
        found[table.marker] = definition
    return found


def products() -> dict[str, tuple[str, ...]]:
    """What an image of each modality is expected to yield, by modality."""
    return {room: import_module(f"commissure.{room}.definitions").PRODUCTS for room in MODALITIES}
