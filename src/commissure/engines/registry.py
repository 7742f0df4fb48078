"""The engines by name: the one place that says what ``<modality>.engine`` may be."""

from __future__ import annotations

from dataclasses import dataclass

from commissure.modalities import MODALITIES


@dataclass(frozen=True)
class Engine:
    """Somebody who preprocesses.

    Attributes
    ----------
    name
        The value of ``<modality>.engine`` in the configuration.
    modalities
        What it preprocesses; for each there is a rule file
        ``workflow/rules/engines/<modality>_<name>.smk``.
    description
        One sentence for the page of engines.
    """

    name: str
    modalities: tuple[str, ...]
    description: str


#: Every engine by name.
ENGINES = {
    engine.name: engine
    for engine in (
        Engine(
            "builtin",
            tuple(MODALITIES),
            "This package's own, on ANTs, DIPY, nilearn and NiBabel: runs anywhere.",
        ),
    )
}


def engines_of(modality: str) -> tuple[str, ...]:
    """Names of the engines that preprocess a modality."""
    return tuple(name for name, engine in ENGINES.items() if modality in engine.modalities)
