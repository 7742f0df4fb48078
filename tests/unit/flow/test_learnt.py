"""What a job asks for after an earlier run."""

from __future__ import annotations

from pathlib import Path

from commissure.flow.learnt import MOST_JOBS, Learnt, quantile, spread
from commissure.markers.status import Status, write_statuses


def earlier(
    folder: Path, rule: str, batch: str, *, mb: float, s: float, images: list[float]
) -> None:
    table = folder / "benchmarks" / rule / f"batch-{batch}.tsv"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(f"s\th:m:s\tmax_rss\tcpu_time\n{s}\t0:00:01\t{mb}\t1\n")
    rows = [
        Status(f"sub-{i}", "", "anat", f"sub-{i}_T1w", "preprocess", "present", "", cpu, cpu)
        for i, cpu in enumerate(images)
    ]
    path = folder / "work/status" / rule / f"batch-{batch}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_statuses(rows, path)


def test_without_an_earlier_run_the_defaults_stand(tmp_path: Path) -> None:
    learnt = Learnt(tmp_path, {("anat", "0001"): 10})
    assert learnt.memory_mb("anat_preprocess", "0001", 3000) == 3000
    assert learnt.runtime_min("anat_preprocess", "0001", 30) == 30
    assert learnt.runtime_min("fusion", None, 30) == 30


def test_a_batch_asks_for_what_its_images_need(tmp_path: Path) -> None:
    for number, mb in enumerate((800, 900, 1000), 1):
        earlier(tmp_path, "anat_preprocess", f"000{number}", mb=mb, s=100, images=[60.0, 40.0])
    learnt = Learnt(tmp_path, {("anat", "0001"): 20, ("anat", "0002"): 2})
    assert learnt.memory_mb("anat_preprocess", "0001", 3000) == 1300
    assert learnt.runtime_min("anat_preprocess", "0001", 30) == 45  # 5 + 2 x 20 min
    assert learnt.runtime_min("anat_preprocess", "0002", 30) == 9


def test_a_job_that_found_its_images_done_teaches_nothing(tmp_path: Path) -> None:
    earlier(tmp_path, "anat_preprocess", "0001", mb=150, s=3, images=[60.0, 40.0])
    learnt = Learnt(tmp_path, {("anat", "0001"): 2})
    assert learnt.memory_mb("anat_preprocess", "0001", 3000) == 3000
    assert learnt.runtime_min("anat_preprocess", "0001", 30) == 9


def test_a_rule_of_the_whole_study_asks_for_more_but_never_for_less(tmp_path: Path) -> None:
    table = tmp_path / "benchmarks/fusion/fusion.tsv"
    table.parent.mkdir(parents=True)
    for mb, s, wanted_mb, wanted_min in ((300, 20, 2000, 30), (4000, 3600, 5200, 125)):
        table.write_text(f"s\tmax_rss\n{s}\t{mb}\n")
        learnt = Learnt(tmp_path, {})
        assert learnt.memory_mb("fusion", None, 2000) == wanted_mb
        assert learnt.runtime_min("fusion", None, 30) == wanted_min


def test_tables_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    earlier(tmp_path, "anat_preprocess", "0001", mb=800, s=100, images=[60.0])
    (tmp_path / "benchmarks/anat_preprocess/batch-0002.tsv").write_text("s\tmax_rss\n1\tNA\n")
    (tmp_path / "benchmarks/anat_preprocess/batch-0003.tsv").write_text("")
    (tmp_path / "work/status/anat_preprocess/batch-0002.tsv").write_text("broken\n")
    assert Learnt(tmp_path, {}).memory_mb("anat_preprocess", "0001", 3000) == 1100


def test_of_many_jobs_few_are_read_and_a_quantile_suffices_for_its_share() -> None:
    files = [Path(str(number)) for number in range(5000)]
    assert len(spread(files)) == MOST_JOBS and spread(files[:3]) == files[:3]
    assert quantile([3.0, 1.0, 2.0], 0.95) == 3.0
    assert quantile(list(range(1, 101)), 0.95) == 95
