"""What the Snakefile learns of a study when it is parsed, and how little that loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from commissure.errors import ConfigError, DatasetError
from commissure.evaluation.permutation_parts import block_of, part_of, parts_of
from commissure.flow import plan as plan_module
from commissure.flow.plan import Plan
from commissure.flow.settings import Settings
from commissure.modalities import MODALITIES, STEPS
from commissure.study.people import read_people
from commissure.study.people_check import check_people
from commissure.study.settings import ParticipantsSettings

#: What no plan and no command line may load: each costs up to a second of every job.
HEAVY = {"pandas", "numpy", "scipy", "nibabel", "ants", "matplotlib", "sklearn", "nilearn", "dipy"}


@pytest.fixture
def config(tmp_path):
    for who in ("sub-01", "sub-02", "sub-03"):
        for modality, suffix in (("anat", "T1w"), ("func", "task-rest_bold")):
            folder = tmp_path / "bids" / who / modality
            folder.mkdir(parents=True)
            (folder / f"{who}_{suffix}.nii.gz").write_text("x")
    people = "participant_id\tage\tsite\nsub-01\t30\tA\nsub-02\t31\tB\n"
    (tmp_path / "bids/participants.tsv").write_text(people)
    return {
        "bids_dir": str(tmp_path / "bids"),
        "output_dir": str(tmp_path / "out"),
        "batch_size": 2,
    }


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {name.split(".")[0] for name in done.stdout.split()}


def test_planning_loads_nothing_heavy(config):
    code = f"from commissure.flow.plan import Plan\nPlan({config!r}, main=True)"
    assert loaded_by(code) & HEAVY == set()


@pytest.mark.parametrize(
    "module",
    ["errors", "files", "rows", "names", "checks", "modalities", "settings", "derivatives",
     "definitions", "flow.settings", "flow.plan", "flow.code", "dataset.index", "cli",
     *(f"{modality}.{door}" for modality in MODALITIES for door in ("settings", "definitions"))],
)  # fmt: skip
def test_light_doors_stay_light(module):
    assert loaded_by(f"import commissure.{module}") & HEAVY == set()


def test_batches_are_those_of_the_modality(config):
    plan = Plan(config, main=True)
    assert plan.batches("anat") == ["0001", "0002"]
    assert plan.batches("mrs") == []
    assert Plan({**config, "modalities": ["func"]}, main=True).batches("anat") == []


def test_a_job_reads_what_the_main_process_left(config, tmp_path):
    main = Plan(config, main=True)
    (tmp_path / "bids/sub-03/anat/sub-03_T1w.nii.gz").unlink()
    job = Plan(config, main=False)
    assert job.batches("anat") == main.batches("anat") == ["0001", "0002"]
    assert (job.people_in("0001"), job.people_in("0002")) == (2, 1)


def test_a_job_of_a_large_study_reads_neither_the_index_nor_the_sources(
    config, tmp_path, repository, monkeypatch
):
    scripts = repository / "workflow/scripts"
    main = Plan(config, main=True)
    codes = main.codes(scripts)
    (tmp_path / "out/work/index.tsv").unlink()
    monkeypatch.setattr(plan_module, "codes_of", None)
    job = Plan(config, main=False)
    assert job.batches("func") == main.batches("func") and job.all_batches == main.all_batches
    assert job.codes(scripts) == codes and len(codes) > 20
    assert job.code_of(scripts, "report/page.py") == codes["report/page.py"]


def test_the_permutations_of_many_people_are_spread_over_jobs(config, tmp_path):
    assert list(Plan(config, main=True).permutation_parts) == []
    many = {**config, "fusion": {"permutation_jobs_above": 2}}
    assert list(Plan(many, main=True).permutation_parts) == list(range(8))
    assert list(Plan(many, main=False).permutation_parts) == list(range(8))
    table = tmp_path / "bids/participants.tsv"
    rows = "".join(f"sub-{number:02d}\t30\tA\n" for number in range(2001))
    table.write_text(f"participant_id\tage\tsite\n{rows}")
    assert len(Plan(config, main=True).permutation_parts) == 16
    one = {**config, "fusion": {"permutation_jobs": 1}}
    assert list(Plan(one, main=True).permutation_parts) == []
    assert list(Plan(one, main=True).fusion_parts) == []
    parts = ["repeats-from-0", "repeats-from-5", "sites", "attempts", "exclusions", "training"]
    assert list(Plan(config, main=True).fusion_parts) == parts


@pytest.mark.parametrize(
    ("permutations", "people", "jobs"), [(1000, 5000, 3), (1000, 5000, 99), (59, 50, 4), (0, 9, 2)]
)
def test_parts_of_the_permutations_are_whole_blocks_and_all_of_them(permutations, people, jobs):
    settings = Settings(fusion={"permutations": permutations, "permutation_jobs": jobs}).fusion
    block, parts = block_of(people), parts_of(settings, people)
    made = [part_of(part, parts, permutations=permutations, block=block) for part in range(parts)]
    for divisions in ("folds", "sites"):
        numbers = [range_ for of, range_ in made if of in (divisions, "all")]
        assert [n for part in numbers for n in part] == list(range(permutations))
        assert all(part.start % block == 0 for part in numbers)
    assert parts <= max(1, 2 * -(-permutations // block))


def test_beyond_a_number_of_people_no_page_of_each_is_written_and_it_is_said(config, capsys):
    assert Plan(config, main=True).page_batches == ["0001", "0002"]
    assert "no page of each" not in capsys.readouterr().err
    few = {**config, "report": {"pages_up_to": 2}}
    assert Plan(few, main=True).page_batches == []
    assert "3 people have images: no page of each is written" in capsys.readouterr().err
    assert Plan(few, main=False).page_batches == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_step_is_given_its_own_settings(modality):
    plan = Plan.__new__(Plan)
    plan.settings = Settings()
    both = set(getattr(plan.settings, modality).model_dump())
    parts = [set(plan.step_settings(modality, step)) for step in STEPS]
    assert parts[0] | parts[1] <= both


PEOPLE = {
    "good": ("participant_id\tage\nsub-01\t3\n02\t4\n", {}, None),
    "twice": ("participant_id\tage\nsub-01\t3\n01\t4\n", {}, "sub-01 has more than one row"),
    "nobody": ("participant_id\tage\nn/a\t3\nn/a\t4\n", {}, "line 2: participant_id is empty"),
    "no id": ("who\tage\nsub-01\t3\n", {}, "no column 'participant_id'"),
    "other id": ("who\tage\nsub-01\t3\n", {"id": "who"}, None),
    "no site": ("participant_id\tcentre\nsub-01\tA\n", {"site": "site"}, "no column 'site'"),
    "near": ("participant_id\tsites\nsub-01\tA\n", {"site": "site"}, "Did you mean 'sites'"),
    "ragged": ("participant_id\tage\nsub-01\t3\nsub-02\t3\t4\n", {}, "it has 3 cells"),
    "empty": ("", {}, "cannot be read as a table"),
    "short": ("participant_id\tage\tsex\nsub-01\t3\nsub-02\n", {}, "it has 2 cells"),
    "quoted": ('participant_id\tnote\nsub-01\t"a\tb"\n', {}, None),
}


@pytest.mark.parametrize(("text", "settings", "refusal"), PEOPLE.values(), ids=PEOPLE)
def test_planning_refuses_the_tables_that_the_job_would_refuse(tmp_path, text, settings, refusal):
    file = tmp_path / "participants.tsv"
    file.write_text(text)
    for read in (check_people, read_people):
        if refusal is None:
            read(file, settings=ParticipantsSettings(**settings))
        else:
            with pytest.raises((ConfigError, DatasetError), match=refusal):
                read(file, settings=ParticipantsSettings(**settings))


def test_the_two_refusals_are_the_same_sentence(tmp_path):
    file = tmp_path / "participants.tsv"
    for text, settings, refusal in PEOPLE.values():
        if refusal is None:
            continue
        file.write_text(text)
        said = []
        for read in (check_people, read_people):
            with pytest.raises((ConfigError, DatasetError)) as caught:
                read(file, settings=ParticipantsSettings(**settings))
            said.append(str(caught.value))
        assert said[0] == said[1]


def test_the_command_that_is_kept_names_no_folder_of_the_machine(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = [
        "snakemake",
        "--configfile",
        f"{tmp_path}/study.yaml",
        "--config",
        "bids_dir=/data/x/bids",
    ]
    said = Plan(config, main=True).command(argv)
    assert said == "snakemake --cores all --configfile study.yaml --config bids_dir=…/bids"
    assert (tmp_path / "out/work/command.txt").read_text() == said


def test_people_who_left_the_dataset_are_named(config, tmp_path, capsys):
    (tmp_path / "out/sub-04/anat").mkdir(parents=True)
    Plan(config, main=True)
    assert (
        "commissure: sub-04 stand in out without an image in the dataset" in capsys.readouterr().err
    )
    assert (tmp_path / "out/sub-04").exists()


def test_every_declared_output_is_asked_for(config, tmp_path):
    plan = Plan(config, main=True)
    assert {"markers.tsv", "completeness.tsv", "fusion/metrics.json", "report.html"} <= set(
        plan.products
    )
    assert "recovery.tsv" not in plan.products
    truth = tmp_path / "bids/sourcedata/truth"
    truth.mkdir(parents=True)
    (truth / "markers.tsv").write_text("x")
    assert "recovery.tsv" in Plan(config, main=True).products
