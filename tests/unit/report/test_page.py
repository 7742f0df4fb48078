"""The page as a reader, a printer and a browser without network would find it."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from commissure.errors import DatasetError
from commissure.files import write_json
from commissure.report.page import write_report
from commissure.report.sections.registry import SECTIONS
from commissure.report.settings import ReportSettings

#: One main marker: what these tests look at needs no more figures.
FEW = ReportSettings(main_markers=("gsh/ACC",))

VOID = {"meta", "link", "img", "br", "hr", "input", "path", "use", "circle", "rect", "line"}


class Reader(HTMLParser):
    """Collects ids, addresses, visible text, and tags that are not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[tuple[str, str]] = []
        self.images: list[dict] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if found.get("id") else []
        self.addresses += [(tag, found[key]) for key in ("src", "href", "action") if key in found]
        self.images += [found] if tag == "img" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def reader(page: str) -> Reader:
    return Reader(page)


def copy(run, folder: Path):
    """The run in a folder of its own, to be damaged."""
    shutil.copytree(run.folder, folder)
    return type(run)(folder, run.participants)


def no_words_of_the_machine(page: str) -> None:
    text = Reader(page).text
    for word in (r"\bnan\b", r"\bNone\b", r"\binf\b", r"\bundefined\b", r"\bNaN\b"):
        assert not re.search(word, text), re.search(rf".{{40}}{word}.{{40}}", text)
    assert 'data-sort="nan"' not in page


def test_all_sections_are_there_and_linked(reader):
    # These are looked for on request: test_subtypes and test_lesions have pages with them.
    anchors = {section.anchor for section in SECTIONS} - {"subtypes", "lesions"}
    assert anchors <= set(reader.ids)
    links = [address[1:] for tag, address in reader.addresses if tag == "a"]
    assert anchors <= set(links)
    assert set(links) <= set(reader.ids)


def test_every_tag_is_closed_and_every_id_is_unique(reader):
    assert reader.open == []
    assert [name for name, n in Counter(reader.ids).items() if n > 1] == []


def test_nothing_is_loaded_from_anywhere(page, reader):
    loaded = [address for tag, address in reader.addresses if tag != "a"]
    assert loaded
    assert all(address.startswith(("data:image/svg+xml", "#")) for address in loaded)
    assert not re.search(r"@import|url\((?!#|%23)|<link|<iframe|fetch\(|XMLHttpRequest", page)
    assert "default-src 'none'" in page


def test_no_path_of_the_machine_remains(page, run):
    assert str(run.folder) not in page
    for folder in ("/data/study", "/home/someone"):
        assert folder not in page
    assert "bids_dir: …/bids" in html.unescape(page)


def test_no_words_of_the_machine(page):
    no_words_of_the_machine(page)


def test_causes_and_cautions_are_escaped(page, reader):
    assert "3 &lt; 4 dimensions &amp; the file …/sub-05_bold.nii.gz is short." in page
    assert "0.62 &lt;within&gt; the noise of 30 people &amp; must be watched." in page
    assert "The header says 3 < 4 dimensions & the file" in reader.text


def test_the_summary_says_what_was_found_and_what_it_cannot_show(reader):
    text = reader.text
    assert (
        "the model “late” ranks one of the resistant patients above one of the responsive patients"
        in text
    )
    assert "(AUC) of 0.68 (0.49 to 0.84)" in text
    assert "It rests on 31 people, 16 of them resistant; p = 0.031" in text
    assert "contains 0.50, although shuffling the labels gives p = 0.031" in text
    assert "These people are simulated" in text
    assert "it did not survive “site only”" in text
    assert "“clinical”" in text


def test_the_flow_of_participants_counts_everybody_once(reader):
    # 4 people without spectroscopy, 3 without connectivity, 1 failed, 2 exclusions on BOLD.
    text = reader.text
    assert "44 with data 4 without" in text
    assert "1 with a failed product 3 with a product that could not be computed" in text
    assert "42 in comparisons and models 2 left out by a rule" in text
    assert "snakemake --cores all --forcerun work/status/func_4.tsv" in text
    assert "Only one trial reached 600 mg for 6 weeks." in text


def test_verdicts_are_told_in_words(reader):
    for verdict in ("✓ held", "✗ failed", "? not decided"):
        assert verdict in reader.text


def test_a_planted_bias_is_named_as_a_shortfall(reader):
    assert re.search(r"gsh ACC bias 1\d\.\d % is beyond ±10 %", reader.text)


def test_figures_of_people_have_words_and_cannot_clash(reader):
    assert reader.images
    for image in reader.images:
        assert image["src"].startswith("data:image/svg+xml;charset=utf-8,%3Csvg")
        assert re.match(r"sub-\d+, .+: fit and tissue of ", image["alt"])
    assert "clip" not in reader.ids


def test_the_figures_that_explain_themselves_to_a_screen_reader(page):
    plots = re.findall(r'<svg class="plot" role="img" aria-label="([^"]+)"', page)
    assert len(plots) > 30
    assert any("AUC within site and on a left-out site. late 0.68" in told for told in plots)


def test_same_input_gives_the_same_bytes(small, tmp_path):
    first, again = (small.report(tmp_path / name, FEW) for name in ("1.html", "2.html"))
    assert first == again


def test_a_run_without_a_model_says_why(small, tmp_path):
    other = copy(small, tmp_path / "out")
    shutil.rmtree(other.folder / "fusion")
    (other.folder / "recovery.tsv").unlink()
    write_json(
        {"status": "not_fitted", "reason": "4 people carry no label & none can be learnt from",
         "question": {}, "models": {}, "cautions": [], "settings": {}},
        other.folder / "fusion/metrics.json",
    )  # fmt: skip
    page = other.report(tmp_path / "report.html", FEW)
    no_words_of_the_machine(page)
    text = Reader(page).text
    assert "No classifier was fitted. 4 people carry no label & none can be learnt from." in text
    assert "There is no classifier to test." in text
    assert 'id="recovery"' not in page


def test_an_empty_dataset_gives_a_page(tmp_path):
    (tmp_path / "out").mkdir()
    write_report(
        tmp_path / "out",
        tmp_path / "report.html",
        statuses=[],
        participants=pd.DataFrame({"participant_id": []}),
        settings=ReportSettings(),
        config_text="",
    )
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    no_words_of_the_machine(page)
    text = Reader(page).text
    assert "No participants were found." in text
    assert "The run has no markers: there is no markers.tsv ." in text
    assert "Files that this run did not leave:" in text


def test_participants_without_group_or_site(small, tmp_path):
    other = copy(small, tmp_path / "out")
    (other.folder / "fusion/labels.tsv").unlink()
    people = small.participants[["participant_id"]]
    page = type(small)(other.folder, people).report(tmp_path / "report.html", FEW)
    no_words_of_the_machine(page)
    assert "There are no two groups to compare" in Reader(page).text


def test_a_damaged_file_stops_with_one_sentence(small, tmp_path):
    other = copy(small, tmp_path / "out")
    (other.folder / "fusion/metrics.json").write_text("{", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"metrics\.json: the file cannot be read as JSON"):
        other.report(tmp_path / "report.html", FEW)
    assert not (tmp_path / "report.html").exists()


def test_a_table_without_its_columns_stops_with_one_sentence(small, tmp_path):
    other = copy(small, tmp_path / "out")
    (other.folder / "exclusions.tsv").write_text("who\twhy\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"exclusions\.tsv: the columns .* are missing"):
        other.report(tmp_path / "report.html", FEW)


def test_tables_beside_the_result_are_on_the_page(small, tmp_path):
    other = copy(small, tmp_path / "out")
    path = other.folder / "fusion/metrics.json"
    metrics = json.loads(path.read_text(encoding="utf-8"))
    area = {"value": 0.123, "ci_low": -0.05, "ci_high": 0.3}
    metrics["comparisons"] = [
        {"model": "clinical", "delong": area, "nadeau_bengio": {**area, "p": 0.04}}
    ]
    path.write_text(json.dumps(metrics), encoding="utf-8")
    page = html.unescape(other.report(tmp_path / "report.html", FEW))
    assert "Is late better than the others?" in page
    assert "0.12 (−0.05 to 0.30)" in page
    assert "What each modality adds" not in page
