"""Views: what is drawn is what is asked for, and the same generator draws the same."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra deep is not installed")

from commissure.models.encoders.views import map_view, marker_view  # noqa: E402


def generator():
    return torch.Generator().manual_seed(5)


def test_markers_get_noise_and_a_share_of_them_is_cut_out():
    values = torch.full((400, 50), 3.0)
    view = marker_view(values, 0.1, 0.25, generator())
    assert float((view == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(view[view != 0].std()) == pytest.approx(0.1, abs=0.005)
    assert torch.equal(view, marker_view(values, 0.1, 0.25, generator()))
    assert torch.equal(marker_view(values, 0.0, 0.0, generator()), values)


def test_a_map_loses_a_box_and_moves_a_little():
    maps = torch.ones((6, 1, 24, 24, 24))
    view = map_view(maps, 0.0, 0.25, generator())
    lost = (view == 0).float().mean(dim=(1, 2, 3, 4))
    # A box of a quarter of the edges, and what was turned or shifted out of the field.
    assert float(lost.min()) >= (6 / 24) ** 3
    assert float(lost.max()) < 0.5
    boxes = (view[:, 0] == 0).flatten(1)
    assert not torch.equal(boxes[0], boxes[1])


def test_a_ball_stays_a_ball_and_moves_by_no_more_than_is_said():
    at = torch.arange(32.0) - 15.5
    distance = (at[:, None, None] ** 2 + at[None, :, None] ** 2 + at[None, None] ** 2).sqrt()
    ball = (distance < 9).float()[None, None].repeat(20, 1, 1, 1, 1)
    view = map_view(ball, 0.0, 0.0, generator())[:, 0]
    mass = view.sum(dim=(1, 2, 3))
    assert float((mass / ball[0].sum() - 1).abs().max()) < 0.25
    weights = view.sum(dim=(2, 3)) / mass[:, None]
    middle = (weights * at).sum(dim=1)
    assert 0.1 < float(middle.abs().max()) <= 0.03 * 32 + 0.1
