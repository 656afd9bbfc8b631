"""The command line as a person meets it: what it prints, what it refuses, with which exit code."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT, WITHOUT_NETWORK, Loopback, Run, carharvest_in, jpeg

from carharvest.catalog.runs import locked
from carharvest.sample.server import SampleGallery


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """A clear two-line error: what, and what to do; no traceback."""
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert lines[-2].startswith("error: "), done.stderr
    assert lines[-1].startswith("hint: "), done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_help_does_not_import_what_is_heavy() -> None:
    code = (
        "import sys; sys.argv = ['carharvest', '--help']\n"
        "from carharvest.cli.main import run\n"
        "try: run()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'lightning', 'numpy', 'pandas', 'sqlalchemy', 'PIL', 'requests', 'icrawler', 'pydantic'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "HEAVY []" in done.stdout, done.stdout + done.stderr
    assert "scrape" in done.stdout


def test_everything_but_training_works_without_pytorch(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'lightning', 'timm', 'torchmetrics'): sys.modules[name] = None\n"
        "from carharvest.cli.main import run\nrun()\n"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *arguments]
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    for brand, first in (("bmw", 0), ("audi", 50)):
        (tmp_path / "photos" / brand).mkdir(parents=True)
        for n in range(4):
            (tmp_path / "photos" / brand / f"{n}.jpg").write_bytes(jpeg(first + n))
    for command in (["scrape", "folder", "photos"], ["normalize"], ["split"], ["status"], ["brands", "vw"], ["verify"]):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    refused(run("train"), 13, 'pip install "carharvest[train]"')


@pytest.mark.slow
def test_the_four_commands_in_an_empty_folder(with_key: Run, tmp_path: Path) -> None:
    scraped = with_key("scrape", "pexels", "--brand", "BMW", "--brand", "vw", "--limit", "30")
    assert scraped.returncode == 0, scraped.stderr
    assert "next: carharvest normalize" in scraped.stderr
    for command in ("normalize", "split", "train"):
        done = with_key(command)
        assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "datasets" / "runs").iterdir()
    left = {file.name for file in run.iterdir()}
    assert {
        "metrics.csv", "report.html", "confusion.png", "confusion.csv", "per_class.csv", "model.safetensors",
        "labels.txt", "run.yaml", "result.json", "checkpoints",
    } <= left  # fmt: skip
    result = json.loads((run / "result.json").read_text())
    assert result["classes"] == ["BMW", "VOLKSWAGEN"]
    assert result["test_accuracy"] > 0.5
    photo = next((tmp_path / "datasets" / "splits" / "default" / "test").rglob("*.jpg"))
    predicted = with_key("predict", run.name, str(photo), "--json")
    (entry,) = json.loads(predicted.stdout)
    assert {b["brand"] for b in entry["brands"]} == {"BMW", "VOLKSWAGEN"}
    assert abs(sum(b["probability"] for b in entry["brands"]) - 1) < 1e-4
    why = with_key("why", photo.name)
    assert f"/{photo.stem}" in why.stdout
    assert "verdict: kept" in why.stdout


def test_with_one_brand_train_says_what_is_missing(with_key: Run) -> None:
    assert with_key("scrape", "pexels", "--brand", "BMW", "--limit", "20").returncode == 0
    assert with_key("normalize", *WITHOUT_NETWORK).returncode == 0
    split = with_key("split")
    assert split.returncode == 0
    assert "another" in split.stderr
    refused(with_key("train"), 14, "two classes", "carharvest scrape")


def test_views_go_into_the_query_and_are_kept(with_key: Run, tmp_path: Path) -> None:
    done = with_key("scrape", "pexels", "-b", "bmw", "--view", "front", "--view", "rear-left", "--limit", "4", "--json")
    assert json.loads(done.stdout)["candidates"] > 0
    assert with_key("normalize", "--quiet", *WITHOUT_NETWORK).returncode == 0
    blob = next((tmp_path / "datasets" / "blobs").rglob("*.jpg"))
    told = json.loads(with_key("why", blob.stem[:12], "--json").stdout)
    assert told[0]["sightings"][0]["query"] in {"BMW car front", "BMW car back left"}
    assert {label["value"] for label in told[0]["labels"] if label["kind"] == "view"} <= {"front", "rear-left"}


@pytest.mark.parametrize(
    "command",
    [
        ["status"], ["normalize"], ["split"], ["brands"], ["brands", "vw"], ["verify"], ["clean"],
        ["scrape", "sample", "--photos", "330", "--brand", "fiat"],
    ],
)  # fmt: skip
def test_json_is_json_and_nothing_else(filled: Path, command: list[str]) -> None:
    done = carharvest_in(filled)(*command, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    assert done.stderr == ""


def test_errors(carharvest: Run, tmp_path: Path, gallery: SampleGallery, loopback: Loopback) -> None:
    """Bad input gets what, what to do, and an exit code of its own."""
    here = {"PEXELS_API_KEY": "sample", "CARHARVEST_PEXELS__URL": gallery.origin}
    bmw = ("scrape", "pexels", "--brand", "BMW", "--limit", "2")
    refused(carharvest(*bmw), 3, "PEXELS_API_KEY")
    wrong = carharvest(*bmw, **{**here, "PEXELS_API_KEY": "wrong-key-77"})
    refused(wrong, 4, "401")
    assert "wrong-key-77" not in wrong.stderr + wrong.stdout
    loopback.answers["/v1/search"] = lambda: (429, {"Retry-After": "90"}, b"")
    refused(carharvest(*bmw, "--no-wait", **{**here, "CARHARVEST_PEXELS__URL": loopback.origin}), 5, "come back")
    refused(carharvest(*bmw, **{**here, "CARHARVEST_PEXELS__URL": "http://127.0.0.1:9"}), 6, "network")
    refused(carharvest("scrape", "pexels", "--brand", "volkswgen", **here), 7, "VOLKSWAGEN")
    refused(carharvest("scrape", "pexels", "--brand", "DAF", **here), 8, "nothing")
    refused(carharvest("scrape", "folder", str(tmp_path / "missing")), 9)
    broken = tmp_path / "brands.yaml"
    broken.write_text("brands:\n  AUDI: {name: 3, tier: [}\n")
    refused(carharvest("brands", CARHARVEST_BRAND_MAPPING=str(broken)), 12, f"{broken}:2:")
    refused(carharvest("status", "--workspace", str(tmp_path / "nowhere")), 17, "catalog")
    refused(carharvest("split", "--ratios", "70/20/20"), 16, "100")
    refused(carharvest("split", "--name", "../evil"), 16)
    refused(carharvest("status", CARHARVEST_SEED="many"), 16, "seed")
    (tmp_path / "carharvest.toml").write_text("workspce = 'x'\n")
    refused(carharvest("status"), 16, "workspce")
    (tmp_path / "carharvest.toml").write_text("workspace = \n")
    refused(carharvest("status"), 16, "carharvest.toml")


def test_more_errors_in_a_filled_workspace(filled: Path) -> None:
    run = carharvest_in(filled)
    refused(run("why", "no-such-photo"), 17, "no photo")
    refused(run("train", "--recipe", "magic"), 1, "fast-cpu")
    refused(run("train", "--split", "none"), 1, "train")
    refused(run("train", "--resume"), 17)
    refused(run("predict", "nothing", "*.jpg"), 17)
    with locked(filled / "datasets", "scrape pexels"):
        refused(run("normalize"), 11, "carharvest scrape pexels")
        assert run("status").returncode == 0
    assert run("nonsense").returncode == 2
    (filled / "datasets" / "catalog.db").write_bytes(b"x" * 5000)
    refused(run("status"), 19)


def test_a_traceback_comes_only_with_debug(carharvest: Run, gallery: SampleGallery) -> None:
    key = {"PEXELS_API_KEY": "secret-key-123", "CARHARVEST_PEXELS__URL": gallery.origin}
    done = carharvest("scrape", "pexels", "--brand", "BMW", "--debug", **key)
    assert done.returncode == 4
    assert "Traceback" in done.stderr
    assert "secret-key-123" not in done.stderr + done.stdout


def test_the_key_is_stored_nowhere(with_key: Run, tmp_path: Path) -> None:
    key = "sample"
    assert with_key("scrape", "pexels", "--query", "BMW", "--limit", "3").returncode == 0
    for file in (tmp_path / "datasets").rglob("*"):
        if file.is_file() and file.suffix != ".jpg":
            found = file.read_bytes()
            assert not re.search(rb"(?<![a-z])" + key.encode() + rb"(?![a-z])", found), file


def test_settings_come_from_toml_then_environment_then_flags(carharvest: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bmw.jpg").write_bytes(jpeg(1))
    (tmp_path / "carharvest.toml").write_text('workspace = "from-toml"\n')
    for arguments, environment, expected in (
        ([], {}, "from-toml"),
        ([], {"CARHARVEST_WORKSPACE": "from-env"}, "from-env"),
        (["--workspace", "from-flag"], {"CARHARVEST_WORKSPACE": "from-env"}, "from-flag"),
    ):
        assert carharvest("scrape", "folder", "photos", *arguments, **environment).returncode == 0
        assert (tmp_path / expected / "catalog.db").exists()


def test_zip_files_and_given_brands(carharvest: Run, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pack.zip", "w") as archive:
        for n in range(3):
            archive.writestr(f"x/{n}.jpg", jpeg(n))
    done = carharvest("scrape", "folder", "pack.zip", "--brand", "škoda", "--view", "rear", "--json")
    assert json.loads(done.stdout)["new"] == 3
    assert json.loads(carharvest("normalize", "--skip", "content", "--json").stdout)["kept"] == 3
    status = json.loads(carharvest("status", "--json").stdout)
    assert status["brands"] == [{"brand": "SKODA", "photos": 3, "kept": 3}]


def test_text_from_outside_cannot_move_the_cursor(carharvest: Run, tmp_path: Path) -> None:
    folder = tmp_path / "bmw"
    folder.mkdir()
    (folder / "evil\x1b[2J[red]name.jpg").write_bytes(jpeg(1))
    assert carharvest("scrape", "folder", "bmw").returncode == 0
    assert carharvest("normalize").returncode == 0
    told = carharvest("why", str(next(folder.iterdir())))
    assert told.returncode == 0
    assert "\x1b" not in told.stdout
    assert "[red]name" in told.stdout


def test_clean_lists_first_and_never_touches_photos(filled: Path) -> None:
    workspace = filled / "datasets"
    (workspace / "cache").mkdir(exist_ok=True)
    (workspace / "cache" / "big.npy").write_bytes(b"x" * 100_000)
    (workspace / "runs" / "r1" / "checkpoints").mkdir(parents=True)
    (workspace / "runs" / "r1" / "result.json").write_text("{}")
    orphan = workspace / "blobs" / "ee" / f"{'e' * 64}.jpg"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"nobody's")
    before = sorted((workspace / "blobs").rglob("*.jpg"))
    run = carharvest_in(filled)
    listed = run("clean")
    assert "big.npy" not in listed.stdout
    assert "would go" in listed.stdout
    assert (workspace / "cache" / "big.npy").exists()
    assert run("clean", "caches", "--yes").returncode == 0
    assert not (workspace / "cache").exists()
    assert orphan.exists()
    assert run("clean", "--yes").returncode == 0
    assert not orphan.exists()
    assert not (workspace / "runs" / "r1" / "checkpoints").exists()
    assert (workspace / "runs" / "r1").exists()
    assert sorted((workspace / "blobs").rglob("*.jpg")) == [p for p in before if p != orphan]
    assert run("verify").returncode == 0


def test_status_says_what_to_do_next(filled: Path, carharvest: Run) -> None:
    told = carharvest_in(filled)("status")
    assert "next: carharvest train" in told.stderr
    assert "BMW" in told.stdout
    (filled / "more" / "lada").mkdir(parents=True)
    (filled / "more" / "lada" / "1.jpg").write_bytes(jpeg(5))
    assert carharvest_in(filled)("scrape", "folder", "more").returncode == 0
    assert "next: carharvest normalize" in carharvest_in(filled)("status").stderr


def test_a_second_scrape_of_the_sample_knows_everything(filled: Path) -> None:
    done = carharvest_in(filled)("scrape", "sample", "--photos", "330", "--json")
    told = json.loads(done.stdout)
    assert told["new"] == 0
    assert told["known"] > 300


def test_version_and_completion(carharvest: Run) -> None:
    assert carharvest("--version").stdout.startswith("carharvest 0.")
    asked = {"_CARHARVEST_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "carharvest scrape pexels --brand VOLK"}
    completed = carharvest(**asked)
    assert "VOLKSWAGEN" in completed.stdout, completed.stderr
