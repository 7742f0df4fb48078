"""Links and anchors of the documentation, every page in the site, nothing fetched, and the build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
import yaml

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def text_of(page: Path) -> str:
    """A page without what stands in code."""
    text = re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def slug(heading: str) -> str:
    """Anchor of a heading, as Python-Markdown makes it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    ascii_only = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", ascii_only).strip().lower())


def anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {slug(heading) for heading in re.findall(r"^#+ +(.+?)\s*$", text, re.M)}


def dead_links(page: Path) -> list[str]:
    """Links of a page to files or headings that are not there."""
    dead = []
    for target in _LINK.findall(text_of(page)):
        if re.match(r"(https?|mailto):", target):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            dead.append(target)
    return dead


def pages(repository: Path) -> list[Path]:
    return [*sorted((repository / "docs").rglob("*.md")), repository / "README.md"]


def test_no_link_is_dead(repository: Path) -> None:
    dead = {page.name: dead_links(page) for page in pages(repository)}
    assert len(dead) > 30
    assert {name: links for name, links in dead.items() if links} == {}


def test_a_dead_link_and_a_dead_anchor_are_seen(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A title, with `code`\n[x](b.md) [y](#a-title-with-code)\n")
    (tmp_path / "b.md").write_text(
        "# B\n[x](a.md#nowhere) [y](a.md#a-title-with-code) `[z](c.md)`\n"
    )
    assert dead_links(tmp_path / "a.md") == []
    assert dead_links(tmp_path / "b.md") == ["a.md#nowhere"]


class _Loader(yaml.SafeLoader):
    pass


def site(repository: Path) -> dict:
    return yaml.load((repository / "mkdocs.yml").read_text(encoding="utf-8"), Loader=_Loader)


def test_every_page_is_in_the_site_once(repository: Path) -> None:
    named = re.findall(r": (\S+\.md)$", (repository / "mkdocs.yml").read_text(), re.M)
    there = {
        p.relative_to(repository / "docs").as_posix() for p in (repository / "docs").rglob("*.md")
    }
    assert sorted(named) == sorted(there)


def test_the_site_fetches_nothing(repository: Path) -> None:
    theme = site(repository)["theme"]
    assert theme["font"] is False
    for page in pages(repository):
        images = re.findall(r"!\[[^\]]*\]\((https?:[^)]+)\)", text_of(page))
        assert images == [], page.name


def test_images_of_the_documentation_stay_small(repository: Path) -> None:
    sizes = {p.name: p.stat().st_size for p in (repository / "docs/images").iterdir()}
    assert max(sizes.values()) < 400_000 and sum(sizes.values()) < 1_500_000, sizes


@pytest.mark.slow
def test_the_site_builds_without_a_warning(repository: Path, tmp_path: Path) -> None:
    program = shutil.which("mkdocs", path=str(repository / ".venv-docs/bin")) or shutil.which(
        "mkdocs"
    )
    if program is None:
        pytest.skip("mkdocs is not installed: `make docs` makes its environment")
    command = [program, "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True,
                          env={**os.environ, "NO_MKDOCS_2_WARNING": "true"})  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    built = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / "site").glob("*.html"))
    fetched = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"?(https?:[^\"\s>]+)", built)
    assert [url for url in fetched if "canonical" not in url] == []
