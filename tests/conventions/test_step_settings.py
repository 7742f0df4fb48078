"""The settings of a step are what the step reads: no option too many, and none of the other step.

A rule hands a step the fields of its own class. A field that the step does not read would repeat
it for nothing, and one that it reads without having it would fail, or hide a change.
"""

from __future__ import annotations

import ast
import re

import pytest
from pydantic import ValidationError

from commissure.flow import code
from commissure.flow.plan import Plan
from commissure.flow.settings import Settings, step_class
from commissure.modalities import MODALITIES, STEPS

#: Read by the workflow, not by a step.
OF_THE_WORKFLOW = {"engine", "from", "image"}

PAIRS = [(modality, step) for modality in MODALITIES for step in STEPS]


def options_read(tree, others):
    """Names taken from anything called ``settings``, but in functions given one of ``others``.

    ``others`` are names of settings classes: a module that both steps reach may have functions
    of one step only, which says the type of their argument; mypy holds them to it.
    """
    if isinstance(tree, ast.FunctionDef):
        given = [
            ast.unparse(argument.annotation)
            for argument in (*tree.args.args, *tree.args.kwonlyargs)
            if argument.arg == "settings" and argument.annotation is not None
        ]
        if set(given) & others:
            return set()
    names = set()
    if isinstance(tree, ast.Attribute):
        owner = tree.value
        if "settings" in (getattr(owner, "id", None), getattr(owner, "attr", None)):
            names.add(tree.attr)
    return names.union(*(options_read(child, others) for child in ast.iter_child_nodes(tree)))


def faults(modality, step, texts):
    """What differs between the settings of a step and what its modules read."""
    classes = {name: step_class(section(modality), name) for name in STEPS}
    fields = set(classes[step].model_fields)
    everything = set(section(modality).model_fields) - OF_THE_WORKFLOW
    others = {cls.__name__ for name, cls in classes.items() if name != step}
    read = set().union(*(options_read(ast.parse(text), others) for text in texts)) & everything
    return {
        "declared, and read by no module of the step": sorted(fields - read),
        "read by the step, and not among its settings": sorted(read - fields),
    }


def section(modality):
    return Settings.model_fields[modality].annotation


def sources(repository, modality, step):
    """The modality's modules that the script of a step reaches."""
    script = repository / f"workflow/scripts/{modality}/{step}.py"
    folder = repository / "src/commissure" / modality
    return {
        path: path.read_text()
        for path in code.reached(script)
        if path.is_relative_to(folder) and path.suffix == ".py" and path.name != "settings.py"
    }


@pytest.mark.parametrize(("modality", "step"), PAIRS)
def test_a_step_reads_the_options_that_it_declares(repository, modality, step):
    found = faults(modality, step, sources(repository, modality, step).values())
    assert not any(found.values()), found


@pytest.mark.parametrize("modality", MODALITIES)
def test_every_step_has_settings_of_its_own(modality):
    classes = [step_class(section(modality), step) for step in STEPS]
    assert len({section(modality), *classes}) == 1 + len(STEPS)
    both = set().union(*(cls.model_fields for cls in classes))
    assert both == set(section(modality).model_fields) - OF_THE_WORKFLOW


def test_planted_faults_are_seen(repository):
    texts = list(sources(repository, "func", "measure").values())
    assert not any(faults("func", "measure", texts).values())
    unread = [re.sub(r"settings\.min_minutes\b", "4.0", text) for text in texts]
    assert list(faults("func", "measure", unread).values()) == [["min_minutes"], []]
    for annotation, seen in (("", True), (": FuncMeasureSettings", True),
                             (": FuncPreprocessSettings", False)):  # fmt: skip
        planted = f"def dropped(settings{annotation}):\n    return settings.dummy_volumes\n"
        found = list(faults("func", "measure", [*texts, planted]).values())
        assert found == [[], ["dummy_volumes"] if seen else []], annotation


def another(model, field):
    """A configuration of a modality in which one option has another value."""
    default = model().model_dump()[field]
    candidates = {
        bool: [not default],
        int: [default + 1, 400] if isinstance(default, int) else [],
        float: [default * 1.01, default * 0.99] if isinstance(default, float) else [],
        str: [
            "none",
            "no",
            "press",
            "36P",
            "osprey_3t",
            "PCC",
            "builtin",
            "published",
            "tedana",
            "rano-bm",
            "ct",
            2.0,
        ],
        tuple: [default[:-1]] if isinstance(default, tuple) and len(default) > 1 else [("task",)],
        type(None): [0.05, 3.0],
        dict: [{"image": "a.nii.gz", "labels": "a.tsv"}, dict.fromkeys(default, "a.nii.gz")]
        if isinstance(default, dict)
        else [],
    }[type(default)]
    for value in candidates:
        try:
            if model(**{field: value}).model_dump()[field] != default:
                return {field: value}
        except ValidationError:
            continue
    raise AssertionError(f"no other value of {field} is known to this test")


def planned(modality, values):
    """The settings that rules hand to the steps of a modality."""
    plan = Plan.__new__(Plan)
    plan.settings = Settings(**{modality: values})
    return [plan.step_settings(modality, step) for step in STEPS]


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_option_of_one_step_leaves_the_records_of_the_other_valid(modality):
    """A record is keyed by the settings that the rule hands over."""
    before = planned(modality, {})
    owners = [set(step_class(section(modality), step).model_fields) for step in STEPS]
    for field in sorted(set().union(*owners)):
        after = planned(modality, another(section(modality), field))
        changed = [a != b for a, b in zip(after, before, strict=True)]
        assert changed == [field in fields for fields in owners], field
