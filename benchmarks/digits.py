"""Digits: what they cost to learn and to draw, and how good they are; one thread, process time, each beside its floor.

    python benchmarks/digits.py                        everything, some three hours; writes digits.md, and the rows
                                                       of the choices as diffusion_lab/measured/digits_choices.csv
    python benchmarks/digits.py --only speed,flops     some: text course live shipped speed fast flops choices
    python benchmarks/digits.py --quick                a fiftieth of the work, to see that it runs: _digits_quick.md

Every measurement is kept in a file of JSON lines as soon as it is made, and the table is written from that file. One
that is found there is not made again: a run that was stopped goes on, and parts can be made by several processes.
Needs MNIST, and diffusers (``requirements.txt``).
"""

import argparse
import json
import platform
import time
from pathlib import Path

import diffusers
import digits_ours
import digits_rivals
import digits_speed
import machine
import measured
import torch
from digits_common import Jobs, Work
from digits_table import CHOICES, choices_rows, table

PARTS = {
    "text": digits_rivals.text,
    "course": digits_rivals.course,
    "live": digits_ours.live,
    "shipped": digits_ours.shipped,
    "speed": digits_speed.speed,
    "fast": digits_speed.fast,
    "flops": digits_speed.flops,
    "choices": digits_ours.choices,
}


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    work = Work(divide=50 if options.quick else 1, n=options.n)
    jobs = {part: make(work) for part, make in PARTS.items()}
    where = f"{machine.describe()}, diffusers {diffusers.__version__}"
    write(options, jobs, work)
    for part in options.only:
        for name, job in jobs[part].items():
            if (part, name) in read(options.results):
                continue
            print(f"{part}: {name}", flush=True)
            begin, start = time.perf_counter(), time.process_time()
            rows = job()
            record = {
                "part": part, "job": name, "divide": work.divide, "where": where, "host": platform.node(),
                "wall": time.perf_counter() - begin, "process": time.process_time() - start, "rows": rows,
            }  # fmt: skip
            with options.results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
            print(f"  {record['process']:.0f} s of process time", flush=True)
            write(options, jobs, work)
    print(f"wrote {options.table}")


def arguments() -> argparse.Namespace:
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the work; says nothing about quality")
    parser.add_argument("--n", type=int, default=10_000, help="images of the shipped weights to judge")
    parser.add_argument("--results", type=Path, help="file of JSON lines to keep and to go on from")
    parser.add_argument("--table", type=Path, help="file to write")
    options = parser.parse_args()
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(PARTS):
        parser.error(f"--only: expected some of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    if not 100 <= options.n <= 10_000:
        parser.error(f"--n: expected 100..10000, for which the judge knows floors; got {options.n}")
    options.results = options.results or here / ("_digits_quick.jsonl" if options.quick else "_digits.jsonl")
    options.table = options.table or here / ("_digits_quick.md" if options.quick else "digits.md")
    return options


def read(results: Path) -> dict[tuple[str, str], dict]:
    """The records so far, by part and job; of two with one name, the last."""
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return {(record["part"], record["job"]): record for record in map(json.loads, lines)}


def write(options: argparse.Namespace, jobs: dict[str, Jobs], work: Work) -> None:
    records = read(options.results)
    found = {part: [records[part, name] for name in names if (part, name) in records] for part, names in jobs.items()}
    if any(record["divide"] != work.divide for part in found.values() for record in part):
        raise SystemExit(f"{options.results} holds results of quick and of full runs: use one file for each")
    missing = {part: sum((part, name) not in records for name in names) for part, names in jobs.items()}
    options.table.write_text(table(found, missing, work.divide), encoding="utf-8")
    if work.divide == 1 and found["choices"]:
        command = "python benchmarks/digits.py --only choices"
        measured.write("digits_choices", command, CHOICES, choices_rows(found["choices"]))


if __name__ == "__main__":
    main()
