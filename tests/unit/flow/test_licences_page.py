"""No package of the core is under the GPL unnoticed."""

from __future__ import annotations

import pytest

from commissure.flow.licences_page import is_gpl, licence_of, licences_page, locked


@pytest.fixture(scope="module")
def core(repository) -> dict[str, str]:
    return {name: licence_of(name) for name in locked(repository / "envs/requirements.lock")}


def test_every_package_of_the_core_says_its_licence(core) -> None:
    assert len(core) > 100
    assert [name for name, licence in core.items() if not licence] == []


def test_no_package_of_the_core_is_under_the_gpl(core) -> None:
    assert [name for name, licence in core.items() if is_gpl(licence)] == []


@pytest.mark.parametrize(
    ("licence", "gpl"),
    [
        ("GPL-3.0-or-later", True),
        ("AGPL-3.0-only", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("BSD-3-Clause AND GPL-2.0-only", True),
        ("MIT OR GPL-2.0-only", False),
        ("LGPL-2.1-or-later", False),
        ("LGPL", False),
        ("GNU Lesser General Public License v3 (LGPLv3)", False),
        ("BSD-3-Clause", False),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
    ],
)
def test_the_gpl_is_told_from_its_neighbours(licence, gpl) -> None:
    assert is_gpl(licence) is gpl


def test_the_page_names_every_package(repository, core) -> None:
    page = licences_page(repository / "envs/requirements.lock")
    assert all(f"| {name} | " in page for name in core)
