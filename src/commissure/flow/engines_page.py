"""The documentation page of engines: which files an engine owes, and how it joins the workflow."""

from __future__ import annotations

import inspect
import re

from commissure.derivatives import Derivatives
from commissure.engines.interface import CONTRACT, example_files
from commissure.engines.registry import ENGINES
from commissure.modalities import MODALITIES

_HEAD = """\
# Engines: who does the preprocessing

Each modality names its engine in `config.yaml`, as `anat: {engine: builtin}`. Every engine writes
the same files under the same BIDS-Derivatives names. Everything downstream is shared and cannot
tell which engine ran. Generated from the code by `make docs`."""

_FILES = """\
## The files that an engine writes

Names are shown for `sub-01`, who has a T1w image, in the space of the built-in engine's template.
They lie in `sub-XX[/ses-YY]/<modality>/` of the output folder. Entities of the input (`acq`, `run`,
`task`, `voi` ...) are carried over. Without a T1w image the `space-T1w` of diffusion files is left
out.
The same sets of files are classes in the code, which measuring reads by:
`commissure.engines.interface.CONTRACT`."""

_EACH = """\
## What each needs, and what differs

`commissure validate` and the start of a run look at what the chosen engines need, and say what is
missing in one sentence. A modality of a study may have another engine than the next.

### `builtin`

```yaml
anat: {engine: builtin}
func: {engine: builtin}
dwi: {engine: builtin}
mrs: {engine: builtin}
```

It needs nothing but this package. What its numbers are worth is on the pages of
[anatomy](anat.md), [BOLD](func.md), [diffusion](dwi.md) and [spectroscopy](mrs.md).

### `derivatives`

```yaml
anat: {engine: derivatives, from: derivatives/fmriprep}
func: {engine: derivatives, from: derivatives/fmriprep}
dwi: {engine: derivatives, from: derivatives/qsiprep}
```

It needs a finished tree of fMRIPrep, sMRIPrep or QSIPrep, and computes nothing. The numbers are
those of the program that wrote the tree. [More](derivatives.md), with what was not tried.

### `fmriprep`

```yaml
anat: {engine: fmriprep}
func: {engine: fmriprep}
fmriprep: {license: license.txt, via: docker}
```

It needs Docker or Apptainer, the image, FreeSurfer's licence, 16 GB of memory and hours a person.
Confounds and tissue masks are fMRIPrep's. [More](fmriprep.md). No container was run: the tests hold
every argument of the calls.

### `mrtrix3`

```yaml
dwi: {engine: mrtrix3}
```

It needs MRtrix3 3.0 on the path. Denoising, ringing and brain mask are MRtrix3's; movement and
distortions are undone by the built-in code, because MRtrix3 leaves them to FSL.
[More](mrtrix3.md), with the two engines side by side.

### `qsiprep`

```yaml
dwi: {engine: qsiprep}
qsiprep: {license: license.txt, via: apptainer, image: qsiprep.sif, gpus: 1}
```

It needs what `fmriprep` needs; a graphics processor is used where the job is given one. Movement
and distortions are FSL's. The series lies in QSIPrep's own space. [More](qsiprep.md). No container
was run: the tests hold every argument of the calls.

Images and tags of the containers stand in `envs/engines.yaml`."""

_JOINING = """\
## How an engine joins the workflow

1. Name it in `commissure/engines/registry.py`, with its rule files by modality.
2. Add `workflow/rules/engines/<modality>_<engine>.smk` for each of them. The rule file makes the
   tables `status("<modality>_preprocess")` of all batches, by as many rules as it likes.
3. A rule covers one batch of people. Its manifest `work/batches/batch-{batch}.tsv` lists the images
   with their sidecars and associated files.
4. `commissure.flow.batch.run_batch` writes the table. It takes a function
   `compute(scan, folder, *, anat, settings)` that brings the files of one image under the names
   above, and the class of those files. It records the files with their sizes, keeps what was
   computed from the same input, settings and code, and goes on when one person fails.
5. The rule that writes the table has `settings=step_settings("<modality>", "preprocess")` and
   `reopened=reopened("<modality>_preprocess")` among its parameters. The second makes the batch run
   again when someone has lost files.

A program in a container is a rule of its own, with `container:` and `shell:`. Its output folder is
the input of the rule that writes the table. A program that serves two modalities in one run stands
in a rule file that both of them name in the registry; it is included once. One job may also write
both tables, by two calls of `run_batch` with `status=`."""


def engines_page() -> str:
    """The page, in Markdown."""
    engines = ["| engine | modalities | what it is |", "|---|---|---|"]
    engines += [
        f"| `{engine.name}` | {', '.join(engine.rules)} | {engine.description} |"
        for engine in ENGINES.values()
    ]
    parts = [_HEAD, "\n".join(engines), _FILES]
    for name, modality in MODALITIES.items():
        lines = [f"### `{name}`: {modality.title}", "", *_table(name)]
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, _EACH, _JOINING]) + "\n"


def _table(modality: str) -> list[str]:
    described = attributes(CONTRACT[modality])
    lines = ["| file | | what it holds |", "|---|---|---|"]
    for field, names, required in example_files(modality):
        shown = ", ".join(f"`{name}`" for name in names[:2]) + (" ..." if len(names) > 2 else "")
        need = "required" if required else "may be left out"
        lines.append(f"| {shown} | {need} | {described[field]} |")
    return lines


def attributes(files: type[Derivatives]) -> dict[str, str]:
    """Descriptions by field, from the section *Attributes* of a class's docstring."""
    text = inspect.getdoc(files) or ""
    _, _, section = text.partition("Attributes\n----------\n")
    described: dict[str, str] = {}
    for names, words in re.findall(r"^(\w[\w, ]*)\n((?:    .+\n?|\n)+)", section, re.M):
        sentence = " ".join(words.split()).replace("``", "`")
        described.update(dict.fromkeys(re.split(r",\s*", names), sentence))
    return described
