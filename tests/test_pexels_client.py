"""The sample gallery's server against the official Pexels client: what that cannot read, the server has wrong."""

import json
import shutil
import subprocess
from typing import Any

import pytest
from conftest import ROOT

from carharvest.sample.server import SAMPLE_KEY, SampleGallery

HERE = ROOT / "tests" / "node"


def driven(gallery: SampleGallery, key: str) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    if not (HERE / "node_modules" / "pexels").is_dir():
        pytest.skip("needs the npm package pexels: npm ci --prefix tests/node")
    done = subprocess.run(
        [node, "drive.js", gallery.origin, key], cwd=HERE, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_official_client_searches_pages_and_shows(gallery: SampleGallery) -> None:
    told = driven(gallery, SAMPLE_KEY)
    assert "error" not in told, told
    expected = gallery.search("BMW car")
    assert told["ids"] == [item.id for item in expected]
    assert [page["page"] for page in told["pages"]] == list(range(1, -(-len(expected) // 7) + 1))
    assert {page["total"] for page in told["pages"]} == {len(expected)}
    assert told["asked"][0].startswith("https://api.pexels.com/v1//search?")  # as the client writes it
    assert told["shown"]["id"] == told["ids"][0]
    assert told["shown"]["photographer"] == expected[0].author
    assert len(told["curated"]["photos"]) == 3
    assert (told["type"], told["bytes"] > 1000) == ("image/jpeg", True)
    fields = {"id", "width", "height", "url", "photographer", "photographer_url", "photographer_id", "avg_color", "src"}
    assert fields | {"liked", "alt"} <= set(told["first"])


def test_the_official_client_is_told_of_a_bad_key(gallery: SampleGallery) -> None:
    assert driven(gallery, "wrong")["error"] == "Unauthorized"
