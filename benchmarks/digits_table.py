"""From records to the Markdown table."""

import statistics
from collections.abc import Iterable, Iterator

Record = dict[str, object]


def table(found: dict[str, list[Record]], missing: dict[str, int], divide: int) -> str:
    """The whole page. ``found`` has the records of each part, ``missing`` how many of its jobs have none."""
    records = [record for part in found.values() for record in part]
    rows = {part: [row for record in part_records for row in record["rows"]] for part, part_records in found.items()}
    machines = list(dict.fromkeys(record["where"] for record in records))
    left = [f"{part} ({count} to do)" for part, count in missing.items() if count]
    lines = ["# Digits", "", "Made by `python benchmarks/digits.py`, one thread, process time."]
    lines += [f"Measured on {machine}." for machine in machines]
    if len({record["host"] for record in records}) > 1:
        lines += ["**Parts were measured on different machines**: compare times within a section only."]
    if divide > 1:
        lines += [f"**A quick run, with {divide} times less work: it says that the code runs, and nothing else.**"]
    if left:
        lines += [f"Not measured yet: {', '.join(left)}."]
    for title, text, body in sections(rows):
        if body:
            lines += ["", f"## {title}", "", text, "", *body]
    total = sum(record["process"] for record in records)
    lines += ["", f"All this took {total / 60:.0f} minutes of process time:"]
    for part, part_records in found.items():
        if part_records:
            seconds = sum(record["process"] for record in part_records)
            lines.append(f"- `python benchmarks/digits.py --only {part}`: {seconds / 60:.1f} minutes.")
    return "\n".join(lines) + "\n"


def sections(rows: dict[str, list[dict]]) -> Iterable[tuple[str, str, list[str]]]:
    """Title, text and table of each section; an empty table where nothing was measured."""
    floor = (
        "In parentheses the floor: what as many real training images get from the same judge. `n` images were judged; "
        "a call is one use of the network for one image, so a guided step is two."
    )
    yield (
        "Three recipes",
        f"Training and sampling in CPU-seconds. {floor} The text's network takes no labels. The course trains for ten "
        "epochs, 4,690 steps; here for as long as ours.",
        scores(rows["text"] + rows["course"] + rows["live"]),
    )
    yield (
        "The weights that come with the package",
        f"Their cards say how they were trained, and how long it took on which machine. {floor}",
        scores(rows["shipped"]),
    )
    yield (
        "The choices of the recipe",
        "The recipe with one thing changed, trained for the same process time, each with three seeds; the mean over "
        "the seeds, with the lowest and the highest. 500 images each by DDIM, eta 1, in 20 calls. A change whose range "
        f"overlaps with the recipe's shows nothing. {floor}",
        choices(rows["choices"]),
    )
    yield (
        "Samples a second, against diffusers",
        "The same network, noise, method and 20 steps, the two in turn; the ratio is the median over pairs of runs, "
        "with the lowest and the highest, and above 1 where ours is faster. The last column is the largest difference "
        "between two pixels of the two. With no network, what is left is the sampler. DDPM and DDIM through diffusers' "
        "pipelines, with clipping; DPM-Solver++ through its scheduler's loop, without.",
        speed(rows["speed"]),
    )
    yield (
        "Digits in half the time",
        "`mnist-conditional` on a CPU, the ways in turn, batch by batch; the ratio to float32 is the median over "
        "batches, with the lowest and the highest. `load_pretrained(...).bfloat16()` is all that the second line "
        "takes, or `--precision bfloat16` on the command line. The first batch, which compiles, does not count and "
        f"is in the last column. {floor}",
        fast(rows["fast"]),
    )
    yield (
        "Floating-point rates",
        "A training step (forward, backward, clipping, Adam) and a call of the chapter's U-Net on 64 images. The share "
        "is of the rate of the product of two 1024x1024 matrices, measured between them in the same precision. What "
        "compiling costs once is in seconds of wall time.",
        rates(rows["flops"]),
    )


def markdown(head: list[str], rows: Iterable[list[str]], left: int) -> list[str]:
    """Lines of a Markdown table, the first ``left`` columns to the left; none if it has no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return [f"| {' | '.join(head)} |", f"|{'|'.join(rule)}|", *lines] if lines else []


def scores(rows: list[dict]) -> list[str]:
    head = ["What", "Sampler", "Training, s", "Steps", "Calls", "Sampling, s", "n", "Fréchet", "as a multiple",
            "Sure, %", "Label right, %", "Entropy, bits"]  # fmt: skip

    def beside(row: dict, name: str, digits: int, factor: float = 1) -> str:
        if row[name] is None:
            return ""
        return f"{factor * row[name]:.{digits}f} ({factor * row['floor'][name]:.{digits}f})"

    def whole(number: float | None) -> str:
        return "" if number is None else f"{number:,.0f}"

    def cells(row: dict) -> list[str]:
        return [
            row["what"], row["sampler"], whole(row["seconds"]), whole(row["steps"]), str(row["calls"]),
            whole(row["sampling"]), whole(row["n"]), beside(row, "frechet", 2),
            f"{row['frechet'] / row['floor']['frechet']:.2f}", beside(row, "sure", 1, 100),
            beside(row, "agreement", 1, 100), beside(row, "entropy", 3),
        ]  # fmt: skip

    return markdown(head, map(cells, rows), 2)


def speed(rows: list[dict]) -> list[str]:
    head = ["Network", "Method", "Batch", "Ours", "diffusers", "Ratio", "from, to", "Difference"]
    return markdown(
        head,
        (
            [row["what"], row["sampler"], str(row["batch"]), f"{row['ours']:,.1f}", f"{row['diffusers']:,.1f}",
             f"{row['ratio']:.2f}", f"{row['lowest']:.2f}, {row['highest']:.2f}", f"{row['difference']:.0e}"]
            for row in rows
        ),
        2,
    )  # fmt: skip


def choices(rows: list[dict]) -> list[str]:
    head = ["What", "Training, s", "Steps", "Fréchet", "from, to", "floor", "Label right, %", "from, to"]

    def cells(what: str) -> list[str]:
        seeds = [row for row in rows if row["what"] == what]
        frechet, right = (sorted(row[name] for row in seeds) for name in ("frechet", "agreement"))
        seconds, steps, frechet_mean, right_mean = (
            statistics.mean(values)
            for values in ([row["seconds"] for row in seeds], [row["steps"] for row in seeds], frechet, right)
        )
        return [
            what, f"{seconds:.0f}", f"{steps:.0f}", f"{frechet_mean:.1f}", f"{frechet[0]:.1f}, {frechet[-1]:.1f}",
            f"{seeds[0]['floor']['frechet']:.2f}", f"{100 * right_mean:.1f}",
            f"{100 * right[0]:.1f}, {100 * right[-1]:.1f}",
        ]  # fmt: skip

    return markdown(head, map(cells, dict.fromkeys(row["what"] for row in rows)), 1)


CHOICES = ("what", "seed", "cpu_seconds", "steps", "frechet", "floor", "label_right")


def choices_rows(records: list[Record]) -> Iterator[tuple]:
    """The rows of the choices, for ``datasets.measured("digits_choices")``."""
    for row in (row for record in records for row in record["rows"]):
        yield (
            row["what"], row["seed"], f"{row['seconds']:.0f}", row["steps"], f"{row['frechet']:.2f}",
            f"{row['floor']['frechet']:.2f}", f"{row['agreement']:.3f}",
        )  # fmt: skip


def fast(rows: list[dict]) -> list[str]:
    head = ["Way", "Ratio", "from, to", "n", "Fréchet", "Label right, %", "First batch, s"]
    return markdown(
        head,
        (
            [row["what"], f"{row['ratio']:.2f}", f"{row['lowest']:.2f}, {row['highest']:.2f}", f"{row['n']:,}",
             f"{row['frechet']:.2f} ({row['floor']['frechet']:.2f})",
             f"{100 * row['agreement']:.1f} ({100 * row['floor']['agreement']:.1f})", f"{row['first']:.1f}"]
            for row in rows
        ),
        1,
    )  # fmt: skip


def rates(rows: list[dict]) -> list[str]:
    head = ["Precision, layout", "Step, ms", "GFLOP/s", "share, %", "Call, ms", "GFLOP/s", "share, %",
            "Product, GFLOP/s", "First step, s"]  # fmt: skip

    def cells(row: dict) -> list[str]:
        found = []
        for work, seconds in ((row["training"], row["step"]), (row["calling"], row["call"])):
            rate = work / seconds
            found += [f"{1000 * seconds:.0f}", f"{rate / 1e9:.0f}", f"{100 * rate / row['matmul']:.0f}"]
        return [row["what"], *found, f"{row['matmul'] / 1e9:.0f}", f"{row['first']:.1f}"]

    return markdown(head, map(cells, rows), 1)
