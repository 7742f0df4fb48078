"""The pages in a real browser: Debian's headless Chromium, driven by Playwright, read by axe-core."""

from __future__ import annotations

import io
import shutil

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from tests.unit.report.conftest import STUDY

from commissure.markers.ratings import read_ratings
from commissure.markers.status import Status, read_statuses, write_statuses
from commissure.report.settings import ReportSettings
from commissure.report.subjects.page import write_pages
from commissure.report.subjects.page_tables import read_page_tables

pytestmark = pytest.mark.slow
#: WebGL on the processor, as a machine without a graphics card has it.
OPTIONS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


@pytest.fixture(scope="module")
def study(small, tmp_path_factory):
    """Report and pages of fifteen people, of whom the fourth has a head to look at."""
    folder = shutil.copytree(small.folder, tmp_path_factory.mktemp("browser") / "out")
    grid = np.indices((40, 44, 40)) - np.array([20, 22, 20]).reshape(3, 1, 1, 1)
    head = (((grid / np.array([16, 19, 15]).reshape(3, 1, 1, 1)) ** 2).sum(axis=0) < 1) * 1.0
    files = {
        "desc-preproc_T1w": 100 * head + grid[0],
        "desc-brain_mask": head,
        "desc-aseg_dseg": 17 * head,
    }
    for name, data in files.items():
        image = nib.Nifti1Image(data.astype(np.float32), np.diag([4, 4, 4, 1]))
        nib.save(image, folder / f"sub-04/anat/sub-04_{name}.nii.gz")
    table = folder / "work/status/measure/batch-0001.tsv"
    row = Status("sub-04", "", "anat", "sub-04/anat/sub-04_T1w.nii.gz", "preprocess", "present")
    write_statuses([*read_statuses(table), row], table)
    write_pages(
        small.participants["participant_id"], folder, statuses=[table],
        tables=read_page_tables(folder), settings=ReportSettings(), study=STUDY,
    )  # fmt: skip
    type(small)(folder, small.participants).report(folder / "report.html")
    return folder


@pytest.fixture(scope="module")
def browser(chromium):
    """Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, args=OPTIONS)
        yield launched
        launched.close()


def opened(browser, path, **options):
    """A page with what it said and asked for."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("name", ["report.html", "pages/sub-04.html"])
def test_no_error_no_network_every_figure_and_no_sideways_scroll(browser, study, name, width):
    page = opened(browser, study / name, viewport={"width": width, "height": 800})
    if name != "report.html":
        page.wait_for_selector("canvas[data-shown='anat-sub-04']", timeout=60_000)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.said == []
    assert {url.partition(":")[0] for url in page.asked} <= {"file", "data", "blob"}
    images = "[...document.images].filter(i => !(i.complete && i.naturalWidth && i.clientWidth))"
    page.wait_for_function(f"{images}.length === 0", timeout=30_000)
    plots = "[...document.querySelectorAll('svg')].filter(s => !s.getBoundingClientRect().width)"
    assert page.evaluate(f"{plots}.length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_the_viewer_shows_the_head_and_not_a_black_field(browser, study):
    page = opened(browser, study / "pages/sub-04.html")
    page.wait_for_selector("canvas[data-shown='anat-sub-04']", timeout=60_000)
    shot = page.locator("#canvas").screenshot()
    grey = np.asarray(Image.open(io.BytesIO(shot)).convert("L"))
    assert 0.05 < (grey > 60).mean() < 0.9
    page.focus(".sliders input[data-axis='2']")
    before = page.inner_text("#at")
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.inner_text("#at") != before
    page.context.close()


def test_without_webgl_the_figures_remain(browser, study):
    context = browser.new_context()
    context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page = context.new_page()
    page.goto((study / "pages/sub-04.html").as_uri())
    page.wait_for_selector("#no-viewer", state="visible")
    assert page.locator("#viewer").is_hidden() and page.locator("#figures img").count() == 4
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["report.html", "pages/sub-04.html"])
def test_axe_finds_nothing_against_wcag_aa(browser, study, name, scheme):
    page = opened(browser, study / name, color_scheme=scheme, bypass_csp=True)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page, options={"runOnly": RULES}).response
    assert len(found["passes"]) > 10
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found["violations"]] == []
    # A planted fault is seen.
    page.evaluate("document.querySelector('h1').style.color = '#999'")
    page.evaluate("document.body.style.background = '#888'")
    found = axe.run(page, "h1", options={"runOnly": RULES}).response
    assert "color-contrast" in [v["id"] for v in found["violations"]]
    page.context.close()


def test_everybody_is_rated_by_keyboard_and_the_file_is_read(browser, study, tmp_path):
    page = opened(browser, study / "pages/sub-01.html", accept_downloads=True)
    people = sorted(path.stem for path in (study / "pages").glob("sub-*.html"))
    for number, who in enumerate(people):
        assert page.inner_text("h1") == who
        for _ in range(page.locator(".rated[role=group]").count()):
            page.keyboard.press("d" if who == "sub-03" else "k")
        if who == "sub-03":
            page.keyboard.press("c")
            page.keyboard.type("=moved k d u")
            page.keyboard.press("Escape")
        if number + 1 < len(people):
            with page.expect_navigation():
                page.keyboard.press("ArrowRight")
    with page.expect_download() as download:
        page.keyboard.press("s")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    ratings, _ = read_ratings([path], study=STUDY, people=people)
    assert {rating.participant_id for rating in ratings} == set(people)
    assert {rating.participant_id for rating in ratings if rating.rating == "drop"} == {"sub-03"}
    assert "=moved k d u" in {rating.comment for rating in ratings}
    page.context.close()


@pytest.mark.parametrize("name", ["report.html", "pages/sub-04.html"])
def test_everything_that_can_be_used_is_reached_by_the_tab_key(browser, study, name):
    page = opened(browser, study / name)
    wanted = page.evaluate(
        "[...document.querySelectorAll('a[href], button, summary, input:not([type=radio]), [tabindex=\"0\"]')]"
        ".filter(e => e.checkVisibility()).map((e, n) => (e.dataset.n = n)).length"
    )
    reached: set[str] = set()
    for _ in range(wanted + 60):
        page.keyboard.press("Tab")
        number = page.evaluate("document.activeElement.dataset.n")
        if number in reached and len(reached) >= wanted:
            break
        reached |= {number} if number is not None else set()
    assert len(reached) == wanted
    page.context.close()


@pytest.mark.parametrize("name", ["report.html", "pages/sub-04.html"])
def test_it_prints(browser, study, name, tmp_path):
    page = opened(browser, study / name)
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    assert len(page.pdf(path=tmp_path / "x.pdf")) > 20_000
    page.context.close()
