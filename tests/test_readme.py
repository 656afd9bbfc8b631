"""The README tells the truth: every command in it is run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT, Loopback, carharvest_in, jpeg
from pictures import coded, scene
from test_forms_in import stanford_at

from carharvest.sample.server import SAMPLE_KEY, SampleGallery


def commands_of(file: str) -> list[str]:
    text = (ROOT / file).read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def test_the_readme_has_only_commands_that_are_tested() -> None:
    kinds = {command.split()[0] for command in commands_of("README.md")}
    assert kinds == {"make", "pip", "export", "carharvest"}


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md"])
def test_make_knows_its_targets(file: str) -> None:
    for command in commands_of(file):
        if command.startswith("make "):
            done = subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr


def test_pip_s_extras_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = re.findall(r'pip install "?carharvest\[([\w,]+)\]', (ROOT / "README.md").read_text())
    given = {extra for names in named for extra in names.split(",")}
    assert given == {"train", "vision", "browser", "explain", "export", "tune"}
    assert given <= extras.keys()


def test_links_and_pictures_of_the_docs_exist() -> None:
    for file in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", file.read_text(encoding="utf-8")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_of_the_readme_works(tmp_path: Path, gallery: SampleGallery) -> None:
    run = carharvest_in(tmp_path, PEXELS_API_KEY=SAMPLE_KEY, CARHARVEST_PEXELS__URL=gallery.origin)
    for command in (c for c in commands_of("README.md") if c.startswith("carharvest ")):
        if "my-photos" in command or "BMW.jpg" in command:
            _some_photos(tmp_path)
        if "my-tables" in command:
            _some_tables(tmp_path, gallery.origin)
        if "--brand MG" in command:  # the gallery has no MG; the command itself is what is tried
            command = command.replace("MG", "BMW")
        if command.startswith("carharvest tune"):
            command += " --set image.px=64 --set stages.*.epochs=1"
        done = run(*shlex.split(command)[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_about_splits_works(filled: Path) -> None:
    run = carharvest_in(filled)
    _some_data_sets(filled)
    expected = {"carharvest split check kaggle-cars --page leaks.html": 25}
    for command in (c for c in commands_of("docs/splits.md") if c.startswith("carharvest ")):
        done = run(*shlex.split(command)[1:])
        assert done.returncode == expected.get(command, 0), f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_command_about_training_works(filled: Path) -> None:
    """At a small setting: what is tried is the commands, not what they reach."""
    run = carharvest_in(filled)
    small = ["--set", "image.px=64", "--set", "stages.*.epochs=1"]
    runs = filled / "datasets" / "runs"
    for command in (c for c in commands_of("docs/training.md") + commands_of("docs/recipes.md") if "carharvest" in c):
        arguments = shlex.split(command)[1:]
        if "--resume" in arguments:
            shutil.copytree(runs / "default-1", runs / "broken")
            (runs / "broken" / "result.json").unlink()
        elif arguments[0] in ("train", "tune"):
            arguments += small
        if arguments[0] == "tune":
            arguments[arguments.index("--trials") + 1] = "2"
        if arguments[0] == "predict":
            for folder in ("photos", "more"):
                shutil.copytree(filled / "datasets" / "splits" / "default" / "test" / "BMW", filled / folder)
        done = run(*arguments)
        # One epoch may not be enough to learn anything; that is said.
        fine = (0, 26) if arguments[0] == "train" else (0,)
        assert done.returncode in fine, f"{command}\n{done.stderr}"
    alone = subprocess.run(
        [sys.executable, "-m", "train_adapter", "--data", "datasets/splits/default", *small, "--run", "runs/mine"],
        cwd=filled, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert alone.returncode in (0, 26), alone.stderr


@pytest.mark.slow
def test_every_command_about_listings_works(tmp_path: Path, loopback: Loopback) -> None:
    """With the overrides and the words that stand in the same page."""
    loopback.answers = {f"/{n}.jpg": lambda n=n: (200, {}, jpeg(n)) for n in range(2)}
    _some_tables(tmp_path, loopback.origin)
    text = (ROOT / "docs/listings.md").read_text(encoding="utf-8")
    for block in re.findall(r"```yaml\n# (\w+\.yaml)[^\n]*\n(.*?)```", text, flags=re.DOTALL):
        (tmp_path / block[0]).write_text(block[1], encoding="utf-8")
    run = carharvest_in(tmp_path)
    for command in commands_of("docs/listings.md"):
        done = run(*shlex.split(command)[1:])
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "2 new photos" in done.stdout


def _some_tables(folder: Path, origin: str) -> None:
    """A folder with a table of listings and the addresses of their pictures."""
    (folder / "my-tables").mkdir()
    rows = [f"VW,Golf,{9000 + n},{n}001,,,{origin}/{n}.jpg" for n in range(2)]
    header = "make,model,asking,km,odometer,internal price,photo"
    (folder / "my-tables" / "cars.csv").write_text("\n".join([header, *rows]) + "\n")


def _some_data_sets(folder: Path) -> None:
    """One of each form that docs/splits.md imports and does not make itself."""
    stanford_at(folder / "stanford_cars")
    names = ["1.jpg", "2.jpg", "3.jpg"]
    for number, name in enumerate(names):
        for place in (f"kaggle-cars/Train/{'audi' if number else 'bmw'}", "voc-cars/JPEGImages", "."):
            (folder / place).mkdir(parents=True, exist_ok=True)
            (folder / place / name).write_bytes(coded(scene(number)))
    for number in (1, 2):
        (folder / "stanford_cars" / f"0000{number}.jpg").write_bytes(coded(scene(number + 3)))
    (folder / "kaggle-cars" / "valid" / "bmw").mkdir(parents=True)
    (folder / "kaggle-cars" / "valid" / "bmw" / "same.jpg").write_bytes(coded(scene(0)))
    (folder / "voc-cars" / "Annotations").mkdir()
    thing = "<object><name>BMW</name></object>"
    (folder / "voc-cars" / "Annotations" / "1.xml").write_text(
        f"<annotation><filename>1.jpg</filename>{thing}</annotation>"
    )
    (folder / "cars.csv").write_text("file,brand,split,x1,y1,x2,y2\n1.jpg,BMW,train,10,10,200,150\n")


def _some_photos(folder: Path) -> None:
    (folder / "my-photos" / "bmw").mkdir(parents=True, exist_ok=True)
    photo = next((folder / "datasets" / "splits" / "default" / "train" / "BMW").glob("*.jpg"))
    shutil.copy(photo, folder / "BMW.jpg")
    shutil.copy(photo, folder / "my-photos" / "bmw" / "1.jpg")
