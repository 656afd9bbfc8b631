"""The wheel carries all that is needed, and works outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT


@pytest.mark.slow
def test_the_wheel_finds_its_mapping_outside_the_checkout(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("carharvest-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "carharvest/brand_mapping.yaml", "carharvest/py.typed", "carharvest/catalog/migrations/env.py",
        "carharvest/catalog/migrations/versions/0001_first_catalog.py", "train_adapter/recipes/fast-cpu.yaml",
        "train_adapter/recipes/best.yaml",
        "train_adapter/pages/report.html", "train_adapter/pages/style.css", "train_adapter/pages/explain.html",
        "carharvest/normalize/pages/duplicates.html",
        "carharvest/splits/pages/attribution.html", "carharvest/splits/pages/card.md",
        "carharvest/splits/pages/leaks.html",
    } <= names  # fmt: skip
    assert not any(name.startswith(("tests", "datasets", "docs")) for name in names)
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    (tmp_path / "away").mkdir()
    for command in (
        ["brands", "vw"],
        ["scrape", "sample", "--photos", "30", "--brand", "fiat"],
        ["normalize"],
        ["split"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "carharvest", *command],
            cwd=tmp_path / "away", env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    where = subprocess.run(
        [sys.executable, "-c", "from carharvest.brands import bundled_mapping; print(bundled_mapping())"],
        cwd=tmp_path / "away", env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(tmp_path / "installed" / "carharvest" / "brand_mapping.yaml")
