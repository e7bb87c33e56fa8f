"""Figures that compute where they are read: in a page of the book, or in a notebook, by the reader's browser.

They are plain JavaScript modules beside this file. What computes mirrors the package name by name (``schedule.js``,
``noising.js``, ``targets.js``, ``exact.js``, ``steps.js``, ``sampling.js``, ``mlp.js``); what draws is in ``plot.js``,
``fields.js`` and ``figure.js``; each figure is a file of ``figures/``. One source, two places: :func:`page_script` is
for a page, :func:`figure` for a notebook.
"""

import re
from importlib.resources import files
from posixpath import dirname, join, normpath

from .random import Random as Random  # so that Python can begin with a figure's noise

IMPORT = re.compile(r'^import \{([^}]+)\} from "([^"]+)";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
HERE = files(__package__)
#: The figures there are.
FIGURES = sorted(path.name.removesuffix(".js") for path in (HERE / "figures").iterdir() if path.name.endswith(".js"))


def figure(name: str, **given):
    """A live figure in a notebook: run the cell and play.

    Args:
        name: one of :data:`FIGURES`.
        given: what it begins with, such as ``steps=20``: the names that a link to its state has.

    Raises:
        ValueError: if there is no such figure.
    """
    from anywidget import AnyWidget  # only a notebook has it
    from traitlets import Dict

    check_name(name)
    start = f"render({{ model, el }}) {{ new LiveFigure(el, {variable(name)}, model.get('given'), false); }}"
    script = f"{bundle('figure.js', f'figures/{name}.js')}\nexport default {{ {start} }};"

    class Live(AnyWidget):
        _esm = script
        _css = (HERE / "live.css").read_text("utf-8")
        given = Dict().tag(sync=True)

        def __repr__(self):
            return f"A live figure, {name!r}: run the cell to play with it."

    return Live(given=given)


def page_script(name: str) -> str:
    """A classic script, for pages opened from a disk too: it starts each element ``<div data-live="name">``."""
    check_name(name)
    start = f"new LiveFigure(element, {variable(name)}, JSON.parse(element.dataset.given))"
    find = f"""for (const element of document.querySelectorAll('[data-live="{name}"]'))"""
    return f"(() => {{\n{bundle('figure.js', f'figures/{name}.js')}\n{find} {start};\n}})();\n"


def bundle(*entries: str) -> str:
    """The modules and all that they import in one text, in an order in which each comes after what it needs.

    Each module becomes a function of its own, so that names in it stay in it. What the entries export is in scope
    after it. Imports and exports must be of the two forms that :data:`IMPORT` and :data:`EXPORT` know.

    Raises:
        ValueError: if a module imports or exports in another way, or if modules need each other in a circle.
    """
    done: dict[str, list[str]] = {}
    parts = ["const modules = {};"]

    def add(path: str, above: tuple[str, ...] = ()) -> None:
        if path in done:
            return
        if path in above:
            raise ValueError(f"{path}: expected no circle of imports, got {' > '.join((*above, path))}")
        text = (HERE / path).read_text("utf-8")

        def bring(found: re.Match) -> str:
            target = normpath(join(dirname(path), found[2]))
            add(target, (*above, path))
            return f'const {{{found[1]}}} = modules["{target}"];'

        text = IMPORT.sub(bring, text)
        done[path] = EXPORT.findall(text)
        text = EXPORT.sub("", text)
        if other := re.search(r"^(import|export)\b.*", text, re.MULTILINE):
            raise ValueError(f'{path}: expected import {{ name }} from "./file.js", got {other[0]}')
        parts.append(f'modules["{path}"] = (() => {{\n{text}return {{ {", ".join(done[path])} }};\n}})();')

    for entry in entries:
        add(entry)
        parts.append(f'const {{ {", ".join(done[entry])} }} = modules["{entry}"];')
    return "\n".join(parts)


def variable(name: str) -> str:
    """What a figure's file calls it: ``two-bells`` is ``two_bells``."""
    return name.replace("-", "_")


def check_name(name: str) -> None:
    if name not in FIGURES:
        raise ValueError(f"name: expected one of {', '.join(FIGURES)}; got {name!r}")
