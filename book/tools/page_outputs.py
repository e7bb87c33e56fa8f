"""A small Sphinx extension: leave out of the page what needs a kernel.

Sliders and progress bars are worth nothing without one. execute.py marks their outputs with `widget` in the output's
metadata; the rest of the cell, its code and its pictures, is rendered as usual. The line that says what a widget
returned (`<function __main__.show(t)>`) goes with it.
"""

import json


def drop_widgets(app, docname, source):
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    nb = json.loads(source[0])
    for cell in nb["cells"]:
        outputs = cell.get("outputs", [])
        if any(out.get("metadata", {}).get("widget") for out in outputs):
            cell["outputs"] = [
                out
                for out in outputs
                if out["output_type"] != "execute_result" and not out.get("metadata", {}).get("widget")
            ]
    source[0] = json.dumps(nb)


def setup(app):
    app.connect("source-read", drop_widgets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
