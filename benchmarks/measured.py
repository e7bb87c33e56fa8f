"""The tables that chapters read with ``datasets.measured``."""

import csv
from collections.abc import Iterable
from pathlib import Path

from diffusion_lab.files import whole

FOLDER = Path(__file__).resolve().parents[1] / "diffusion_lab" / "measured"


def write(name: str, command: str, columns: Iterable[str], rows: Iterable[Iterable]) -> None:
    """Write ``name.csv`` when the last of the rows is there; until then, and after an error, it is as it was."""
    with whole(FOLDER / f"{name}.csv") as unfinished, unfinished.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["command", *columns])
        table.writerows([command, *row] for row in rows)
