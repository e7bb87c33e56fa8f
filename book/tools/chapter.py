"""What a chapter's notebook must be like, and a fingerprint of the code that its stored outputs came from."""

import ast
import base64
import hashlib
import io
import re
from pathlib import Path

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from PIL import Image, ImageChops

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "diffusion_lab"
THUMBNAILS = ROOT / "book/_static/chapters"
MAX_LINES, MAX_PROGRAM = 30, 80  # of a cell; of one that is a program of its own, tagged `program`
MAX_BYTES = 1_500_000
# Code that the book folds away, by the tag of its cell.
FOLDED = ("hide-input", "hide-cell", "remove-cell")
THUMBNAIL_WIDTH, QUALITY = 560, 42
DESCRIPTION = 0x010E  # the field of Exif
# What of a picture the first page shows, where all of it would have labels too small to read: left, top, right, bottom.
DETAILS = {
    "00-before-you-start": (0, 0.07, 0.42, 0.83),
    "01-number-eight": (0.12, 0.08, 0.88, 0.85),
    "02-adding-noise": (0.15, 0.085, 0.705, 0.975),
    "03-s-curve": (0.34, 0.55, 1, 1),
    "04-the-network": (0.28, 0.28, 0.99, 0.755),
    "05-mnist": (0.015, 0.045, 0.61, 0.43),
    "06-closed-forms": (0.2, 0.42, 0.8, 0.87),
    "07-the-bound": (0.12, 0.22, 0.62, 0.9),
    "08-the-objective": (0.1, 0.2, 0.68, 0.88),
    "09-perfect-denoiser": (0.345, 0.545, 1, 0.985),
    "10-fewer-steps": (0.11, 0.03, 0.985, 0.9),
    "11-judging-samples": (0.44, 0.05, 0.885, 0.46),
    "common-slips": (0.36, 0.634, 0.97, 0.796),
    "one-screen": (0.38, 0.2, 1, 1),
    "what-diffusion-is": (0, 0.085, 0.68, 1),
}
WIDGET = "application/vnd.jupyter.widget-view+json"


# ---- the fingerprint: which code made these outputs? ------------------------------------------------------------


def canonical(node) -> str:
    """An AST as text, the same on every Python (`ast.dump` is not) and without positions."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return f"{type(node).__name__}({', '.join(f'{name}={canonical(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(canonical, node))}]"
    return repr(node)


def without_words(tree: ast.Module) -> ast.Module:
    """The tree without docstrings and without the texts of the errors it raises: no output depends on them."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        elif isinstance(node, ast.Raise):
            for word in ast.walk(node):
                if isinstance(word, ast.JoinedStr):
                    word.values = []
                elif isinstance(word, ast.Constant) and isinstance(word.value, str):
                    word.value = ""
    return tree


def imported(tree: ast.AST, module: str, package: str) -> set[tuple[str, str | None]]:
    """The (module, name) pairs that `tree`, living in `module`, imports from `package`; name None: the whole module."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(alias.name, None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            source = ".".join(base + ([node.module] if node.module else []))
            found |= {(source, alias.name) for alias in node.names}
    return {(source, name) for source, name in found if source.split(".")[0] == package}


class Package:
    """The modules of a package on disk, read but not imported."""

    def __init__(self, folder: Path):
        self.name = folder.name
        self.trees, self.packages = {}, set()
        for path in sorted(folder.rglob("*.py")):
            parts = [folder.name, *path.relative_to(folder).with_suffix("").parts]
            if parts[-1] == "__init__":
                parts.pop()
                self.packages.add(".".join(parts))
            self.trees[".".join(parts)] = ast.parse(path.read_text("utf-8"))

    def imports_of(self, module: str) -> set[tuple[str, str | None]]:
        # Relative imports count from the package: its __init__ is one level deeper than its name says.
        inside = f"{module}.__init__" if module in self.packages else module
        return imported(self.trees[module], inside, self.name)

    def defining(self, module: str, name: str | None) -> set[str]:
        """The modules that `from module import name` leads to, through the __init__ files that pass names on."""
        if f"{module}.{name}" in self.trees:
            return {f"{module}.{name}"}
        if module not in self.packages:
            return {module}
        passed_on = self.imports_of(module)
        if name in (None, "*"):  # everything that the package offers
            return {module}.union(*(self.defining(*pair) for pair in passed_on))
        sources = {source for source, passed in passed_on if passed == name and source != module}
        return set().union(*(self.defining(source, name) for source in sources)) or {module}

    def reached_from(self, pairs: set[tuple[str, str | None]]) -> set[str]:
        """Every module that code with these imports depends on, directly or through other modules."""
        reached, waiting = set(), set().union(*(self.defining(*pair) for pair in pairs))
        while waiting:
            module = waiting.pop()
            reached.add(module)
            waiting |= set().union(*(self.defining(*pair) for pair in self.imports_of(module))) - reached
        return reached


def fingerprint(nb: nbformat.NotebookNode, package: Path = PACKAGE) -> dict[str, str]:
    """SHA-256 of the notebook's code and of each package module that it depends on.

    Comments, docstrings and the texts of errors apart.
    """
    to_python = TransformerManager().transform_cell
    codes = [ast.parse(to_python(cell.source)) for cell in nb.cells if cell.cell_type == "code" and cell.id != "colab"]
    modules = Package(package)
    used = set().union(*(imported(code, "__main__", package.name) for code in codes))
    texts = {"cells": canonical(codes)}
    texts |= {name: canonical(without_words(modules.trees[name])) for name in modules.reached_from(used)}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(texts.items())}


# ---- the checks -------------------------------------------------------------------------------------------------


def pictures(cell: nbformat.NotebookNode) -> list[str]:
    """The base64 texts of a cell's stored pictures."""
    kinds = ("image/png", "image/jpeg")
    return [out.data[kind] for out in cell.outputs if "data" in out for kind in kinds if kind in out.data]


def tagged(cell: nbformat.NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def folded(cell: nbformat.NotebookNode) -> bool:
    return any(tagged(cell, tag) for tag in FOLDED)


def markdown_of(cells: list[nbformat.NotebookNode]) -> str:
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def texts_of(cell: nbformat.NotebookNode) -> str:
    """Everything in a cell that a reader can read: its source and its text outputs."""
    found = [cell.source]
    for out in cell.get("outputs", []):
        found += [out.get("text", ""), *out.get("traceback", [])]
        found += [str(value) for mime, value in out.get("data", {}).items() if mime.startswith("text/")]
    return "\n".join(found)


def cell_problems(cell: nbformat.NotebookNode, count: int) -> list[str]:
    """What is wrong with one code cell that should have been the `count`-th to run."""
    found = []
    if cell.execution_count != count:
        found.append(f"has execution count {cell.execution_count}, not {count}: run all cells in order")
    if any(out.output_type == "error" for out in cell.outputs) and not tagged(cell, "raises-exception"):
        found.append("stores an error")
    if any(out.get("name") == "stderr" for out in cell.outputs):
        found.append("stores text on stderr")
    longest = MAX_PROGRAM if tagged(cell, "program") else MAX_LINES
    if len(cell.source.splitlines()) > longest:
        found.append(f"is longer than {longest} lines")
    if pictures(cell) and not cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip():
        found.append("shows a picture without alt text (cell metadata mystnb.image.alt)")
    return found


def problems(path: Path, package: Path = PACKAGE, thumbnails: Path = THUMBNAILS) -> list[str]:
    """Everything that is wrong with a notebook, as sentences; an empty list if it may go into the book."""
    nb = nbformat.read(path, as_version=4)
    nbformat.validate(nb)
    found = []
    if path.stat().st_size > MAX_BYTES:
        found.append(f"is larger than {MAX_BYTES:,} bytes")
    if nb.metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("has a kernel other than python3")
    if nb.nbformat_minor < 5 or len({cell.get("id") for cell in nb.cells}) < len(nb.cells):
        found.append("has cells without ids of their own")

    counts = iter(range(1, len(nb.cells) + 1))
    for number, cell in enumerate(nb.cells):
        in_cell = cell_problems(cell, next(counts)) if cell.cell_type == "code" else []
        if local := re.search(r"(?<![\w.:/])/(home|root|Users|tmp|work|content|usr)/\S+|\b[A-Z]:\\\S+", texts_of(cell)):
            in_cell.append(f"names a path of one machine: {local[0]}")
        found += [f"cell {number} {problem}" for problem in in_cell]

    stored, now = nb.metadata.get("diffusion_lab", {}).get("fingerprint", {}), fingerprint(nb, package)
    changed = sorted(name for name in stored.keys() | now.keys() if stored.get(name) != now.get(name))
    if changed:
        found.append(f"has outputs from older code (changed since: {', '.join(changed)}): run `make notebooks`")
    return found + thumbnail_problems(nb, thumbnails / f"{path.stem}.webp")


def thumbnail_source(nb: nbformat.NotebookNode) -> str | None:
    """The picture of the cell tagged `thumbnail`, in base64."""
    found = [picture for cell in nb.cells if tagged(cell, "thumbnail") for picture in pictures(cell)]
    return found[0] if found else None


def origin(source: str, stem: str) -> str:
    """What a thumbnail was made from. It says so itself: its bytes are others in each version of Pillow."""
    return hashlib.sha256(f"{source} {DETAILS.get(stem)} {THUMBNAIL_WIDTH} {QUALITY}".encode()).hexdigest()


def thumbnail(source: str, stem: str) -> bytes:
    """What stands for a chapter on the landing page: a detail of a picture, as wide as a card on a dense screen."""
    whole = Image.open(io.BytesIO(base64.b64decode(source))).convert("RGBA")
    shares = DETAILS.get(stem, (0, 0, 1, 1))
    detail = whole.crop([round(share * side) for share, side in zip(shares, whole.size * 2, strict=True)])
    if detail.getextrema()[3] == (255, 255):  # drawn on white: the darkest of its colours says how much of it is ink
        red, green, blue, _ = detail.split()
        detail.putalpha(ImageChops.invert(ImageChops.darker(ImageChops.darker(red, green), blue)))
    detail.thumbnail((THUMBNAIL_WIDTH, THUMBNAIL_WIDTH), Image.Resampling.LANCZOS)
    about = Image.Exif()
    about[DESCRIPTION] = origin(source, stem)
    written = io.BytesIO()
    detail.save(written, "WEBP", quality=QUALITY, method=6, exif=about)
    return written.getvalue()


def thumbnail_problems(nb: nbformat.NotebookNode, stored: Path) -> list[str]:
    source = thumbnail_source(nb)
    if source is None:
        return ["has no cell tagged `thumbnail` that shows a picture"]
    if not stored.exists() or Image.open(stored).getexif().get(DESCRIPTION) != origin(source, stored.stem):
        return [f"has another thumbnail than {stored.name}: run `make notebooks`"]
    return []
