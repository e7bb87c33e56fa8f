"""A small Sphinx extension: the engine that draws digits in the reader's browser, beside the pages that ask for it.

At the end of a build `_static/engine/` gets ONNX Runtime for the web, which npm brings and we check, the U-Net that
takes labels as ONNX, the worker that runs it, and `engine.js`, which tells the page where they are. Without npm,
without a connection or without the exporter the book is built all the same; then `engine.js` says what is missing, and
so does the page. What was brought and exported is kept in `_build/engine/`.

`python book/tools/engine.py` does only that: for a machine that will have no network when the book is built.
"""

import hashlib
import json
import warnings
from pathlib import Path

import torch
from docutils import nodes
from npm import Missing, package_files
from torch import nn

from diffusion_lab import live, load_pretrained, models
from diffusion_lab.files import whole
from diffusion_lab.pretrained import shipped

CACHE = Path(__file__).resolve().parents[2] / "_build" / "engine"
NAME = "mnist-conditional"
PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
# The package itself comes without the text of its licence.
LICENCE = """\
ort.wasm.bundle.min.js and ort-wasm-simd-threaded.wasm are parts of ONNX Runtime (https://onnxruntime.ai), which lists
the work of others in it in its file ThirdPartyNotices.txt. Its licence:

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def runtime() -> dict[str, bytes]:
    """The files of ONNX Runtime by name, from the package that npm brings. Raises `Missing`."""
    read = package_files(PACKAGE, VERSION, INTEGRITY, CACHE, [f"dist/{name}" for name in RUNTIME])
    # Not every host knows that .mjs is JavaScript.
    return {Path(path).name.replace(".mjs", ".js"): content for path, content in read.items()}


def network() -> bytes:
    """The network as ONNX, exported once for its weights and the code that it is made with."""
    sources = [Path(__file__), *sorted(Path(models.__file__).parent.glob("*.py")), shipped(f"{NAME}.safetensors")]
    known = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    file = CACHE / f"{NAME}-{known}.onnx"
    if not file.exists():
        try:
            content = export(load_pretrained(NAME).network)
        except ImportError as error:
            raise Missing(f"{error.name}, which exports the network, was not there when it was built") from error
        file.parent.mkdir(parents=True, exist_ok=True)
        for older in file.parent.glob(f"{NAME}-*.onnx"):
            older.unlink()
        with whole(file) as unfinished:
            unfinished.write_bytes(content)
    return file.read_bytes()


def export(unet: nn.Module) -> bytes:
    """A U-Net with labels for 28x28 pictures as ONNX, for every batch: ``x_t``, ``t`` and ``labels`` to its answer.

    Weights that fit into half precision without loss, as shipped ones do, are kept in it: half the bytes to load. The
    first thing that ONNX Runtime does is to widen them again.
    """
    import onnxscript  # noqa: F401 - the exporter asks for it only when it is half done
    from onnx import TensorProto, helper, numpy_helper

    batch = torch.export.Dim("batch", min=1, max=4096)
    inputs = {"x_t": torch.zeros(2, 1, 28, 28), "t": torch.tensor([1, 2]), "labels": torch.tensor([-1, 3])}
    program = torch.export.export(unet, (), inputs, dynamic_shapes={name: {0: batch} for name in inputs})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the exporter, by its own dependencies
        model = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False).model_proto
    graph, widened = model.graph, []
    for tensor in graph.initializer:
        values = torch.tensor(numpy_helper.to_array(tensor))
        if values.dtype == torch.float32 and (values.half() == values).all():
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.half().numpy(), f"{name}.half"))
            widened.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for node in graph.node:
        node.ClearField("metadata_props")  # where in our code each node comes from
    calls = [*widened, *graph.node]
    graph.ClearField("node")
    graph.node.extend(calls)
    graph.ClearField("value_info")  # shapes on the way, which are worked out anyway
    return model.SerializeToString()


def everything() -> dict[str, bytes]:
    """The files of `_static/engine/` by name. Raises `Missing`."""
    worker = (live.HERE / "worker.js").read_bytes()
    return {**runtime(), f"{NAME}.onnx": network(), "worker.js": worker, "LICENCE.txt": LICENCE.encode()}


def put(folder: Path) -> None:
    """Fill the folder, or put `engine.js` there, which says what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        files = everything()
    except Missing as missing:
        print(f"The book has no engine for new digits: {missing}.")
        here = json.dumps({"missing": str(missing)})
    else:
        for name, content in files.items():
            (folder / name).write_bytes(content)
        version = hashlib.sha256(b"".join(files.values())).hexdigest()[:12]
        sizes = json.dumps({name: len(content) for name, content in files.items()})
        here = f'{{ at: new URL(".", document.currentScript.src).href, version: "{version}", bytes: {sizes} }}'
    (folder / "engine.js").write_text(f"globalThis.diffusion_lab_engine = {here};\n", "utf-8")


def finish(app, error):
    if not error and app.builder.format == "html":
        put(Path(app.outdir) / "_static" / "engine")


def tell_the_page(app, pagename, templatename, context, doctree):
    if doctree and any(raw.get("live") == "digits" for raw in doctree.findall(nodes.raw)):
        app.add_js_file("engine/engine.js", loading_method="defer", priority=400)  # before the figure's own


def setup(app):
    app.connect("html-page-context", tell_the_page)
    app.connect("build-finished", finish)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    try:
        print(f"{CACHE}: {sum(map(len, everything().values())):,} bytes are ready")
    except Missing as missing:
        raise SystemExit(f"The book will have no engine for new digits: {missing}.") from None
