"""Carry the project's address to every file that repeats it.

The address is set in one place, `[project.urls] Repository` in pyproject.toml. After changing it there:

    python book/tools/place.py            rewrites the other files
    python book/tools/place.py --check    changes nothing; names the files that differ and exits with 1

It also gives a notebook the header that every chapter has: a link to Colab below the title, and a cell that installs
the package where it is missing, if the notebook uses it.
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
BRANCH = "main"
COLAB = "https://colab.research.google.com/github"
SET_UP = """\
# Installs the book's package where it is missing, as on Colab.
# Any CPU will do; where there is a GPU, MNIST uses it.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("diffusion_lab") is None:
    package = "git+{address}"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", package]
    subprocess.run(pip, check=True)"""

# Where prose and settings name the project. Links to other people's repositories look different and stay.
ANYWHERE = [
    (r"(?<=git clone )https://\S+?(?=[\s`])", "{address}"),
    (r"https://github\.com/[\w.-]+/[\w.-]+(?=/blob/main/notebooks/)", "{address}"),
    (r"(?<=git\+)https://github\.com/[\w.-]+/[\w.-]+", "{address}"),
    (rf"{re.escape(COLAB)}/[\w.-]+/[\w.-]+(?=/blob/)", f"{COLAB}/{{slug}}"),
    (r"https://[\w-]+\.github\.io/[\w.-]+(?=/(?:book|notebooks)/)", "{site}"),
]
IN_FILE = {
    "_config.yml": [(r"(?m)(?<=^  url: )\S+", "{address}")],
    "CITATION.cff": [(r"(?m)(?<=^repository-code: )\S+", '"{address}"')],
}


def read_address(root: Path = ROOT) -> str:
    """The project's address, without a slash at its end. ValueError if it is not a GitHub repository."""
    address = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Repository"]
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address):
        raise ValueError(
            f"[project.urls] Repository in pyproject.toml must look like https://github.com/OWNER/NAME "
            f"(Colab opens notebooks from GitHub), got {address!r}"
        )
    return address


def site(address: str) -> str:
    """Where GitHub Pages publishes the book."""
    owner, name = address.removeprefix("https://github.com/").split("/")
    return f"https://{owner}.github.io/{name}"


def place_text(text: str, address: str, filename: str = "") -> str:
    """The text of a file with the project's address in it."""
    slug = address.removeprefix("https://github.com/")
    for pattern, new in ANYWHERE + IN_FILE.get(filename, []):
        text = re.sub(pattern, new.format(address=address, slug=slug, site=site(address)), text)
    return text


def place_notebook(nb: nbformat.NotebookNode, name: str, address: str) -> None:
    """Give `nb` the header (in place), and put the address into its markdown. `name` is the file's name."""
    first = nb.cells[0] if nb.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        raise ValueError(f"{name}: the first cell must be markdown that begins with '# Title'")
    slug = address.removeprefix("https://github.com/")
    link = f"[Open in Colab]({COLAB}/{slug}/blob/{BRANCH}/notebooks/{name})"
    title, _, rest = first.source.partition("\n")
    rest = re.sub(r"\A\s*\[!?\[?Open in Colab\][^\n]*", "", rest).strip()
    first.source = place_text("\n\n".join(part for part in (title, link, rest) if part), address)

    if any("diffusion_lab" in cell.source for cell in nb.cells if cell.cell_type == "code"):
        if len(nb.cells) < 2 or nb.cells[1].get("id") != "colab":
            nb.cells.insert(1, nbformat.v4.new_code_cell(id="colab"))
        nb.cells[1].source = SET_UP.format(address=address)
        nb.cells[1].metadata["tags"] = ["remove-cell"]

    for cell in nb.cells[1:]:
        if cell.cell_type == "markdown":
            cell.source = place_text(cell.source, address)


def placed(root: Path = ROOT) -> dict[Path, str]:
    """Every file that names the address, with the text that it should have."""
    address = read_address(root)
    texts = {}
    pages = sorted(root.glob("*.md")) + sorted(root.glob("book/*.md"))
    for path in [root / "_config.yml", root / "CITATION.cff", *pages]:
        texts[path] = place_text(path.read_text("utf-8"), address, path.name)
    for path in sorted(root.glob("notebooks/*.ipynb")):
        nb = nbformat.read(path, as_version=4)
        place_notebook(nb, path.name, address)
        texts[path] = nbformat.writes(nb) + "\n"
    return texts


def rewrite(texts: dict[Path, str], root: Path, doc: str) -> int:
    """Give each file its text and name those that differed; with ``--check`` on the command line, name them only."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file differs")
    check = parser.parse_args().check
    differing = [(path, text) for path, text in texts.items() if path.read_text("utf-8") != text]
    for path, text in differing:
        print(f"{'differs' if check else 'rewritten'}: {path.relative_to(root).as_posix()}")
        if not check:
            path.write_text(text, "utf-8", newline="\n")
    return int(check and bool(differing))


def main(root: Path = ROOT) -> int:
    return rewrite(placed(root), root, __doc__)


if __name__ == "__main__":
    sys.exit(main())
