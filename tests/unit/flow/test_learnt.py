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


def images(folder: Path, sizes: dict[str, tuple[int, ...]]) -> dict[tuple[str, str], list[Path]]:
    """Images of batches of so many kilobytes."""
    made: dict[tuple[str, str], list[Path]] = {}
    for batch, of_batch in sizes.items():
        paths = [folder / f"{batch}-{number}.nii" for number in range(len(of_batch))]
        for path, kilobytes in zip(paths, of_batch, strict=True):
            path.write_bytes(bytes(1000 * kilobytes))
        made["anat", batch] = paths
    return made


def test_where_address_space_is_limited_that_is_what_is_learnt(tmp_path: Path) -> None:
    table = tmp_path / "benchmarks/mrs_measure/batch-0001.tsv"
    table.parent.mkdir(parents=True)
    table.write_text("s\tmax_rss\tmax_vms\n20\t300\t1650\n")
    learnt = Learnt(tmp_path, {})
    assert learnt.memory_mb("mrs_measure", "0001", 2000) == 500
    assert learnt.memory_mb("mrs_measure", "0001", 2000, address_space=True) == 2200
    table.write_text("s\tmax_rss\tmax_vms\n20\t150\t365\n")
    assert Learnt(tmp_path, {}).memory_mb("mrs_measure", "0001", 2000, address_space=True) == 1000


def test_without_an_earlier_run_the_defaults_stand(tmp_path: Path) -> None:
    learnt = Learnt(tmp_path, images(tmp_path, {"0001": (1,) * 10}))
    assert learnt.memory_mb("anat_preprocess", "0001", 3000) == 3000
    assert learnt.runtime_min("anat_preprocess", "0001", 30) == 30
    assert learnt.runtime_min("fusion", None, 30) == 30


def test_a_batch_asks_for_what_its_images_need(tmp_path: Path) -> None:
    for number, mb in enumerate((800, 900, 1000), 1):
        earlier(tmp_path, "anat_preprocess", f"000{number}", mb=mb, s=100, images=[60.0, 40.0])
    learnt = Learnt(tmp_path, images(tmp_path, {"0001": (1,) * 20, "0002": (1, 1)}))
    assert learnt.memory_mb("anat_preprocess", "0001", 3000) == 1300
    assert learnt.runtime_min("anat_preprocess", "0001", 30) == 45  # 5 + 2 x 20 min
    assert learnt.runtime_min("anat_preprocess", "0002", 30) == 9


def test_memory_follows_the_largest_image_of_a_batch(tmp_path: Path) -> None:
    # 500 MB, and 100 for each 10 kB of the largest image; one job took 50 more.
    for number, mb in enumerate((600, 700, 950, 900), 1):
        earlier(tmp_path, "anat_preprocess", f"000{number}", mb=mb, s=100, images=[60.0])
    sizes = {
        "0001": (10, 5),
        "0002": (20,),
        "0003": (40,),
        "0004": (40,),
        "0005": (80,),
        "0006": (1,),
    }
    learnt = Learnt(tmp_path, images(tmp_path, sizes))
    asked = {batch: learnt.memory_mb("anat_preprocess", batch, 3000) for batch in sizes}
    assert asked == {
        "0001": 900, "0002": 1000, "0003": 1300, "0004": 1300, "0005": 1900,
        # Smaller than all before: as for the smallest.
        "0006": 900,
    }  # fmt: skip


def test_an_image_larger_than_all_that_are_alike_asks_for_no_less_than_the_rule(
    tmp_path: Path,
) -> None:
    for batch in ("0001", "0002", "0003"):
        earlier(tmp_path, "anat_preprocess", batch, mb=800, s=100, images=[60.0])
    alike = {"0001": (10,), "0002": (11,), "0003": (10,)}
    learnt = Learnt(tmp_path, images(tmp_path, {**alike, "0004": (100,)}))
    assert learnt.memory_mb("anat_preprocess", "0001", 3000) == 1100
    assert learnt.memory_mb("anat_preprocess", "0004", 3000) == 3000


def test_a_job_that_found_its_images_done_teaches_nothing(tmp_path: Path) -> None:
    earlier(tmp_path, "anat_preprocess", "0001", mb=150, s=3, images=[60.0, 40.0])
    learnt = Learnt(tmp_path, images(tmp_path, {"0001": (1, 1)}))
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
