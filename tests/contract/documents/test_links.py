"""Links between our documents lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
DOCUMENTS = sorted(
    path
    for folder in ("*.md", "docs/**/*.md", "runbooks/*.md", "tests/*.md")
    for path in ROOT.glob(folder)
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    broken = [
        target for target in LINK.findall(path.read_text()) if not (path.parent / target).exists()
    ]
    assert not broken
