"""``python -m commissure.cli``."""

from commissure.cli import app

app()
