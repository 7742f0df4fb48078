"""Write the files that are generated from the code: ``python -m commissure.flow.generate_docs``."""

from __future__ import annotations

import json
from pathlib import Path

from commissure.files import write_text
from commissure.flow.engines_page import engines_page
from commissure.flow.licences_page import licences_page
from commissure.flow.options_page import options_page
from commissure.flow.settings import json_schema
from commissure.markers.page import markers_page
from commissure.outputs import outputs_page
from commissure.phantom.page import phantom_page

ROOT = Path(__file__).resolve().parents[3]


def documents() -> dict[str, str]:
    """Content of the generated files by their path below the checkout."""
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    return {
        "resources/config.schema.json": schema,
        "docs/configuration.md": options_page(),
        "docs/engines.md": engines_page(),
        "docs/licences.md": licences_page(ROOT / "envs/requirements.lock"),
        "docs/markers.md": markers_page(),
        "docs/outputs.md": outputs_page(),
        "docs/phantom.md": phantom_page(ROOT / "docs/phantom.md"),
    }


if __name__ == "__main__":
    for name, text in documents().items():
        write_text(text, ROOT / name)
        print(f"wrote {name}")
