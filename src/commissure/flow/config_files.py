"""The files of the configuration, read strictly: Snakemake takes a key that is there twice.

Snakemake itself loads them, those of ``--configfile`` before a line of ours runs. What can be told
here is what it does not tell: the encoding, keys that stand twice, references without end.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from commissure.errors import ConfigError

#: Values in a configuration, each counted as often as it is referred to.
LARGEST = 100_000

_MAGIC = ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16"), (b"\x00", "UTF-16 or UTF-32"))


def check_files(paths: Iterable[Path | str]) -> None:
    """Refuse a configuration file that says something else than its reader believes.

    Parameters
    ----------
    paths
        YAML or JSON files; those that are not there are passed over.

    Raises
    ------
    ConfigError
        A file cannot be read, is no UTF-8 or no YAML, names a key twice, or means more than
        :data:`LARGEST` values.
    """
    for path in dict.fromkeys(map(Path, paths)):
        # What stands in a pipe can be read once only.
        if path.exists() and not path.is_fifo() and not path.is_char_device():
            _check_file(path)


def _check_file(path: Path) -> None:
    text = _text(path)
    try:
        json.loads(text, object_pairs_hook=lambda pairs: _once(pairs, path))
        return
    except (ValueError, RecursionError):
        pass
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise _refused(path, f"it is no YAML: {problem}{where}") from None
    except RecursionError:
        raise _refused(path, "it is nested too deeply") from None
    if node is not None:
        _count(node, path, {}, set())


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _refused(path, f"it cannot be read ({error.strerror})") from error
    for start, kind in _MAGIC:
        if start in content[:4]:
            raise _refused(path, f"it is {kind}", "UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refused(
            path,
            f"line {line} is no UTF-8 (byte {content[error.start]:#x}, as in Latin-1)",
            "UTF-8",
        ) from None


def _once(pairs: Sequence[tuple[str, Any]], path: Path) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise _refused(path, f"'{key}' is there twice", "each key once")
    return dict(pairs)


def _count(node: yaml.Node, path: Path, counted: dict[int, int], open_: set[int]) -> int:
    """Values below a node of YAML, with those that references repeat."""
    if id(node) in counted:
        return counted[id(node)]
    if id(node) in open_:
        raise _refused(path, f"a reference (line {node.start_mark.line + 1}) contains itself")
    open_.add(id(node))
    size = 1
    if isinstance(node, yaml.SequenceNode):
        size += sum(_count(item, path, counted, open_) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                line = key.start_mark.line + 1
                if key.value in seen:
                    raise _refused(
                        path,
                        f"'{key.value}' is there twice (lines {seen[key.value]} and {line})",
                        "each key once",
                    )
                seen[key.value] = line
            size += _count(key, path, counted, open_) + _count(value, path, counted, open_)
    open_.discard(id(node))
    counted[id(node)] = size
    if size > LARGEST:
        raise _refused(path, *_TOO_MUCH)
    return size


def check_size(config: Mapping[str, Any]) -> None:
    """Refuse a merged configuration that is larger than any study needs.

    Raises
    ------
    ConfigError
        It means more than :data:`LARGEST` values, as references of YAML may.
    """
    counted: dict[int, int] = {}

    def size(value: Any) -> int:
        if id(value) not in counted:
            items = value.values() if isinstance(value, Mapping) else value
            inner = isinstance(value, Mapping | list | tuple)
            # A value inside itself counts as too much.
            counted[id(value)] = LARGEST + 1 if inner else 1
            counted[id(value)] = 1 + (sum(map(size, items)) if inner else 0)
        return counted[id(value)]

    if size(config) > LARGEST:
        raise ConfigError("config.yaml", found=_TOO_MUCH[0], wanted=_TOO_MUCH[1])


_TOO_MUCH = (
    f"it means more than {LARGEST} values",
    "a configuration without references to references",
)


def _refused(path: Path, found: str, wanted: str = "") -> ConfigError:
    return ConfigError(path.name, found=found, wanted=wanted, mend=f"Mend {path}")
