"""The errors of Commissure, by who can mend them.

::

    CommissureError
    ├── ConfigError     the person who wrote config.yaml
    ├── DatasetError    the person who keeps the BIDS dataset
    └── QualityError    nobody: the measurement does not carry what was asked of it

Anything else that is raised is a bug and keeps its traceback.
"""

from __future__ import annotations


class CommissureError(Exception):
    """A failure that a user can understand, and mostly mend.

    Parameters
    ----------
    who
        The person, file or setting concerned, as ``sub-01 ses-1`` or ``mrs.reference``.
    found
        What was found there.
    wanted
        What was expected instead.
    mend
        What to change, and in which file or key.
    """

    def __init__(self, who: str, *, found: str, wanted: str = "", mend: str = "") -> None:
        self.who, self.found, self.wanted, self.mend = who, found, wanted, mend
        sentence = f"{who}: {found}"
        if wanted:
            sentence += f"; {wanted} is expected"
        sentence += "."
        if mend:
            sentence += f" {mend.rstrip('.')}."
        super().__init__(" ".join(sentence.split()))

    def __reduce__(self) -> tuple:
        """Keep the four parts when the error crosses a process."""
        return _rebuild, (type(self), self.who, self.found, self.wanted, self.mend)


def _rebuild(
    kind: type[CommissureError], who: str, found: str, wanted: str, mend: str
) -> CommissureError:
    return kind(who, found=found, wanted=wanted, mend=mend)


class ConfigError(CommissureError):
    """A setting that is wrong, unknown or names something that is not there."""


class DatasetError(CommissureError):
    """A file of the dataset that is missing, unreadable or contradicts physics."""


class QualityError(CommissureError):
    """Data that were read correctly and do not carry the quantity that was asked of them."""
