"""The digest of the code a script reaches changes with that code and with nothing else."""

from __future__ import annotations

from commissure.flow import code


def names(paths):
    return {path.name for path in paths}


def test_a_script_reaches_its_room_and_what_that_imports(repository):
    found = code.reached(repository / "workflow/scripts/anat/preprocess.py")
    relative = {str(path.relative_to(code.SOURCE)) for path in found}
    assert {
        "anat/builtin/preprocess.py",
        "anat/settings.py",
        "images/load.py",
        "files.py",
        "errors.py",
    } <= relative
    assert not any(
        path.startswith(("func/", "dwi/", "mrs/", "flow/", "fusion/")) for path in relative
    )


def test_measuring_does_not_depend_on_another_room(repository):
    for room in ("func", "dwi", "mrs"):
        found = code.reached(repository / f"workflow/scripts/{room}/measure.py")
        rooms = {path.relative_to(code.SOURCE).parts[0] for path in found}
        assert rooms.isdisjoint({"anat", "func", "dwi", "mrs"} - {room})


def test_the_page_template_counts_as_code_of_the_report(repository):
    found = code.reached(repository / "workflow/scripts/report/page.py")
    assert any(path.suffix in (".j2", ".html", ".css") for path in found)


def test_an_edit_changes_the_digest(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("from commissure.rows import Marker\n")
    before = code.code_of(script)
    script.write_text("from commissure.rows import Marker\n\n")
    code.code_of.cache_clear()
    code._imports.cache_clear()
    assert code.code_of(script) != before
