"""Run notebooks from a clean kernel and store their outputs in place.

python book/tools/execute.py [NOTEBOOK ...]      (all of notebooks/ if none is named)

A notebook is replaced only when all of its cells ran. What differs from run to run (times, widget ids) is not
stored; the fingerprint of the code that made the outputs is, and the tests compare it with the code of the day.
"""

import base64
import io
import os
import sys
import time
from pathlib import Path

import nbformat
from chapter import ROOT, THUMBNAILS, WIDGET, fingerprint, folded, problems, thumbnail, thumbnail_source
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image
from place import place_notebook, read_address

KEEP_IN_CELL = {"tags", "mystnb", "nbgrader"}
# What the book folds by its tag is folded in JupyterLab and on Colab by these.
FOLDS = {"jupyter": {"source_hidden": True}, "cellView": "form"}


class Client(NotebookClient):
    """Runs a notebook and keeps its outputs as nbval sees them.

    What is drawn inside a widget goes to the cell, so that the picture that a slider starts with is on the page.
    """

    def register_output_hook(self, msg_id, hook):
        pass

    def remove_output_hook(self, msg_id, hook):
        pass

    def clear_output(self, outs, msg, cell_index):
        pass


def clean(nb: nbformat.NotebookNode) -> None:
    """Drop what a run leaves behind beside its outputs.

    A widget needs a kernel, so its id is worth nothing later. Its output keeps its text for nbval to compare and
    is marked, so that the book can leave it out (book/tools/page_outputs.py). What the chapter needs and teaches, which
    book/tools/chapters.py reads, is no matter of the run and stays.
    """
    told = nb.metadata.get("diffusion_lab", {})
    about = {"chapter": told["chapter"]} if "chapter" in told else {}
    nb.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
            "diffusion_lab": {"fingerprint": fingerprint(nb)} | about,
        }
    )
    for cell in nb.cells:
        kept = {key: cell.metadata[key] for key in sorted(KEEP_IN_CELL & cell.metadata.keys())}
        cell.metadata = nbformat.from_dict(kept | (FOLDS if folded(cell) else {}))
        for out in cell.get("outputs", []):
            if out.get("data", {}).pop(WIDGET, None):
                out.metadata["widget"] = True
            if png := out.get("data", {}).get("image/png"):
                out.data["image/png"] = lighter(png)


def lighter(png: str) -> str:
    """The picture in 256 colours, which the eye takes for all of them: a third of the bytes."""
    written = io.BytesIO()
    few = Image.open(io.BytesIO(base64.b64decode(png))).quantize(256, method=Image.Quantize.FASTOCTREE)
    few.save(written, "PNG", optimize=True)
    return base64.b64encode(written.getvalue()).decode() + "\n"


def write(path: Path, content: bytes) -> None:
    """All of the content or none of it: the old file stays until the new one is complete."""
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    os.replace(part, path)


def execute(path: Path) -> None:
    nb = nbformat.read(path, as_version=4)
    nb.nbformat_minor = max(nb.nbformat_minor, 5)
    place_notebook(nb, path.name, read_address())
    client = Client(
        nb,
        timeout=None,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    clean(nb)
    if source := thumbnail_source(nb):
        write(THUMBNAILS / f"{path.stem}.webp", thumbnail(source, path.stem))
    write(path, (nbformat.writes(nb) + "\n").encode())


def main() -> int:
    failed = False
    for path in [Path(name).resolve() for name in sys.argv[1:]] or sorted(ROOT.glob("notebooks/*.ipynb")):
        print(f"{path.name} ...", end=" ", flush=True)
        start = time.perf_counter()
        try:
            execute(path)
        except (CellExecutionError, ValueError) as error:
            print(f"failed; the file stays as it was.\n{error}")
            failed = True
            continue
        print(f"ran in {time.perf_counter() - start:.0f} s, {path.stat().st_size / 1e6:.2f} MB")
        for problem in problems(path):
            print(f"  {problem}")
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
