"""How fast and with how much memory tables of listings become one; pandas' mere reading of the same file beside it.

Usage: python -m benchmarks.listings [--rows 371000] [EXPORT.csv]

EXPORT is a table in a German portal's shape (name, brand, model, price, … in Windows-1252) that is repeated to so many
rows; without one, a table of that shape is made. Once its rows are repeated as they are, once each is made different.
"""

import argparse
import contextlib
import csv
import io
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import pandas as pd

from carharvest.engine import cores
from carharvest.lineup import load_lineups
from carharvest.listings.merge import Prepared
from carharvest.listings.outputs import write_listings
from carharvest.listings.pieces import MOST_PROCESSES
from carharvest.listings.prepare import prepared, understanding
from carharvest.listings.profile import coverage, write_profile

_HEADER = (
    "dateCreated,name,seller,price,vehicleType,yearOfRegistration,gearbox,powerPS,model,odometer,fuelType,brand,"
    "postalCode"
)
_EXTRAS = [
    "Klima",
    "TÜV neu",
    "1.6 TDI",
    "2.0 TSI",
    "Kombi",
    "Automatik",
    "scheckheftgepflegt",
    "1. Hand",
    "AHK",
    "Xenon",
    "75 PS",
]


def made(rows: int) -> list[list[str]]:
    """Rows like those of the portal, of the models that brand_mapping.yaml knows."""
    rng = random.Random(7)
    models = [(brand, name) for brand, names in load_lineups()._names.items() for name in set(names.values())]
    table = [_HEADER.split(",")]
    for _ in range(rows):
        brand, model = rng.choice(models)
        title = "_".join([brand.title(), model, *rng.sample(_EXTRAS, rng.randint(0, 3))]).replace(" ", "_")
        table.append(
            [
                f"2016-03-{rng.randint(1, 31):02} 00:00:00",
                title,
                "privat",
                f"${rng.randint(3, 300) * 100:,}",
                rng.choice(["limousine", "kombi", ""]),
                str(rng.randint(1990, 2015)),
                rng.choice(["manuell", "automatik", ""]),
                str(rng.choice([0, 60, 75, 90, 105, 150])),
                rng.choice([model, "andere", ""]),
                f"{rng.randint(1, 30) * 5},000km",
                rng.choice(["benzin", "diesel", ""]),
                brand.lower(),
                f"{rng.randint(1000, 99999):05}",
            ]
        )
    return table


def write(table: list[list[str]], rows: int, target: Path, *, different: bool) -> None:
    """The table's rows again and again; if `different`, each with a name and a place of its own."""
    header, *body = table
    name = header.index("name")
    place = header.index("postalCode")
    with target.open("w", encoding="cp1252", newline="", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number in range(rows):
            row = list(body[number % len(body)])
            if different:
                row[name] += f"_{number // len(body)}x"
                row[place] = f"{number % 99_999:05}"
            writer.writerow(row)


def measured(what: str, file: Path) -> None:
    """Runs one job and says its seconds and peak memory: in a process of its own, for the memory's sake."""
    started = time.perf_counter()
    if what == "pandas":
        rows = len(pd.read_csv(file, encoding="cp1252"))
    else:
        found: Prepared = prepared([file], understanding(), date(2024, 6, 1), processes=min(cores(), MOST_PROCESSES))
        target = file.with_name("out.parquet")
        write_listings(found, target)
        write_profile(found, coverage(found), target.with_suffix(".html"))
        rows = len(found.sources)
    seconds = time.perf_counter() - started
    print(f"{rows:,} rows, {seconds:.1f} s, {rows / seconds:,.0f} rows/s", end="", flush=True)


def watched(command: list[str]) -> int:
    """Runs a command and gives the most memory that it and its processes had at once, in bytes, sampled."""
    most = 0
    with subprocess.Popen(command, start_new_session=True) as running:
        while running.poll() is None:
            most = max(most, _resident(running.pid))
            time.sleep(0.1)
    if running.returncode:
        raise SystemExit(running.returncode)
    return most


def _resident(session: int) -> int:
    """Resident bytes of all processes of a session (Linux' /proc); pages that they share count for each."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            total += int(fields[21]) * resource.getpagesize() if int(fields[3]) == session else 0
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=371_000)
    parser.add_argument("--job", nargs=2, metavar=("WHAT", "FILE"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.job:
        measured(asked.job[0], Path(asked.job[1]))
        return
    if asked.export:
        body = asked.export.read_text(encoding="cp1252", errors="replace").rsplit("\n", 1)[0]
        table = list(csv.reader(io.StringIO(body)))
    else:
        table = made(18_700)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("repeated", "different"):
            file = Path(folder) / f"{kind}.csv"
            write(table, asked.rows, file, different=kind == "different")
            print(f"{kind}: {file.stat().st_size / 1e6:.0f} MB", flush=True)
            for what in ("pandas", "prepare"):
                print(f"  {what:8}", end=" ", flush=True)
                most = watched([sys.executable, "-m", "benchmarks.listings", "--job", what, str(file)])
                print(f", {most / 1e6:,.0f} MB at most in all its processes")


if __name__ == "__main__":
    main()
