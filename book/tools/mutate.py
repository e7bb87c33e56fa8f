"""Can the checks of a chapter fail? Break the formulas of each cell that has a `# check:`, one at a time, and run it.

python book/tools/mutate.py [NOTEBOOK ...]      (all of notebooks/ if none is named; some minutes a chapter)

A formula is broken in the ways in which formulas are: a sign turned, a factor 2 too much, a root or a square left out,
an index off by one. What is broken is every formula in the cell, but for bounds and tolerances, options, printed text,
and what is wrong on purpose: in a name that begins with `wrong` or `slip`, or shown to be above a bound, or `not` so.
The sign of a fresh draw is no mistake either.
A mutant that the cell does not notice is printed, with its line; each deserves a better check or a reason.
It takes a system that can fork, and is not part of `make test`.
"""

import ast
import contextlib
import copy
import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
from chapter import ROOT

LIMIT = 60  # seconds for a mutant
SIGNS = {ast.Add: ast.Sub, ast.Sub: ast.Add}
ROOTS = {"sqrt", "rsqrt"}
SQUARES = {"square"}
# What is called here takes no part in a formula.
NOT_FORMULAS = {"print", "range", "manual_seed", "subplots", "randn", "rand", "randint", "linspace", "round", "isclose"}


def named(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def calls(node: ast.AST) -> Iterator[ast.Call]:
    return (part for part in ast.walk(node) if isinstance(part, ast.Call))


def is_number(node: ast.AST, value: float) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def broken(node: ast.AST, top: bool) -> Iterator[tuple[str, ast.AST]]:
    """The ways to break one node of a formula, each with a name; `top` says that no arithmetic stands around it."""
    if isinstance(node, ast.BinOp):
        if type(node.op) in SIGNS and not any(named(call).startswith("randn") for call in calls(node.right)):
            yield "sign", ast.BinOp(node.left, SIGNS[type(node.op)](), node.right)
        if isinstance(node.op, ast.Pow) and (is_number(node.right, 0.5) or is_number(node.right, 2)):
            yield "root or square", node.left
        if top and isinstance(node.op, ast.Sub):  # of a difference that is to be 0, the double is 0 too
            yield "factor 2", ast.BinOp(ast.BinOp(ast.Constant(2), ast.Mult(), node.left), ast.Sub(), node.right)
        elif top:
            yield "factor 2", ast.BinOp(ast.Constant(2), ast.Mult(), node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield "sign", node.operand
    if isinstance(node, ast.Call) and named(node) in ROOTS | SQUARES:
        inside = node.func.value if isinstance(node.func, ast.Attribute) and not node.args else (node.args or [None])[0]
        if inside is not None:
            yield "root or square", inside
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Name)
        and node.slice.id in ("t", "s", "step", "k")
    ):
        yield "index", ast.Subscript(node.value, ast.BinOp(node.slice, ast.Sub(), ast.Constant(1)), node.ctx)


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, bool]]:
    """Where a formula may be broken: the parent, its field, the place in a list, whether no arithmetic is around it."""

    def on_purpose(node: ast.AST) -> bool:
        targets = node.targets if isinstance(node, ast.Assign) else []
        named_so = any(isinstance(one, ast.Name) and one.id.startswith(("wrong", "slip")) for one in targets)
        above = isinstance(node, ast.Compare) and isinstance(node.ops[-1], ast.Gt | ast.GtE)
        denied = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        return named_so or denied or (above and len(node.ops) == 1 and isinstance(node.comparators[0], ast.Constant))

    def look(node: ast.AST, inside: bool) -> Iterator[tuple[ast.AST, str, int | None, bool]]:
        for field, value in ast.iter_fields(node):
            if (
                (isinstance(node, ast.Call) and field == "keywords")
                or (isinstance(node, ast.Call) and field == "args" and named(node) in NOT_FORMULAS)
                or isinstance(node, ast.JoinedStr)
                or (isinstance(node, ast.Compare) and field == "comparators" and not formula(value[0]))
                or (isinstance(node, ast.Assert) and field == "msg")
            ):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST) and not on_purpose(child):
                    yield node, field, index, not inside
                    yield from look(child, isinstance(node, ast.BinOp | ast.UnaryOp))

    yield from look(tree, False)


def formula(node: ast.AST) -> bool:
    """Whether something in it has a name: a bare number is a bound."""
    return any(isinstance(part, ast.Name) for part in ast.walk(node))


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Every broken version of a cell: the line, what was done to it with what it says now, and the code."""
    tree = ast.parse(source)
    for number, (parent, field, index, top) in enumerate(places(tree)):
        child = getattr(parent, field) if index is None else getattr(parent, field)[index]
        for kind, new in broken(child, top and not isinstance(parent, ast.BinOp | ast.UnaryOp)):
            other = copy.deepcopy(tree)
            there, _, _, _ = list(places(other))[number]
            new = copy.deepcopy(new)
            if index is None:
                setattr(there, field, new)
            else:
                getattr(there, field)[index] = new
            yield (
                child.lineno,
                f"{kind}: {ast.unparse(child)} -> {ast.unparse(new)}",
                ast.unparse(ast.fix_missing_locations(other)),
            )


def survives(code: str, names: dict) -> bool:
    """Whether the cell runs to its end, tried in a process of its own that ends with it."""
    child = os.fork()
    if child == 0:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            try:
                exec(compile(code, "<mutant>", "exec"), names)
            except BaseException:
                os._exit(1)
            os._exit(0)
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status == 0
        time.sleep(0.002)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


def examine(path: Path) -> tuple[int, int]:
    """Run a notebook and all mutants of its checks; prints those that live. How many there were, and how many live."""
    nb = nbformat.read(path, as_version=4)
    names, count, alive = {"__name__": "__main__", "display": lambda *_: None}, 0, 0
    os.chdir(path.parent)
    for place, cell in enumerate(nb.cells):
        if cell.cell_type != "code" or cell.id == "colab":
            continue
        if "# check:" in cell.source:
            for line, what, code in mutants(cell.source):
                count += 1
                if survives(code, names):
                    alive += 1
                    print(f"  {path.stem} cell {place} line {line}: {what}", flush=True)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            exec(compile(cell.source, f"{path.stem} cell {place}", "exec"), names)
        plt.close("all")
    return count, alive


def main() -> None:
    matplotlib.use("Agg")
    totals = [0, 0]
    for path in [Path(name).resolve() for name in sys.argv[1:]] or sorted(ROOT.glob("notebooks/*.ipynb")):
        count, alive = examine(path)
        totals = [totals[0] + count, totals[1] + alive]
        print(f"{path.stem}: {count} mutants, {alive} live", flush=True)
    print(f"{totals[0]} mutants, {totals[1]} live")


if __name__ == "__main__":
    main()
