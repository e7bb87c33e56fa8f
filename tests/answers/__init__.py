"""Answers to the exercises, as students write them: right ones unlike ours, and wrong ones with the slip named.

A module has the name of the chapter's module in ``diffusion_lab.exercises``::

    @right("posterior_between")
    def by_precisions(x_0, x_t, t, s, schedule): ...

    @wrong("posterior_between", "your variance is beta")      # what the message has to say
    def beta_for_beta_tilde(x_0, x_t, t, s, schedule): ...

A wrong one that needs only a changed line of a right one may be made with :func:`instead`.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path

ANSWERS = {}  # by module: lists of (exercise, function, words of the message or None)


def all_answers() -> dict[str, list[tuple[str, Callable, str | None]]]:
    for path in sorted(Path(__file__).parent.glob("[!_]*.py")):
        importlib.import_module(f"{__name__}.{path.stem}")
    return ANSWERS


def right(exercise: str) -> Callable:
    return wrong(exercise, None)


def wrong(exercise: str, says: str | None) -> Callable:
    def keep(function: Callable) -> Callable:
        ANSWERS.setdefault(function.__module__.rpartition(".")[2], []).append((exercise, function, says))
        return function

    return keep


def instead(function: Callable, old: str, new: str) -> Callable:
    """``function`` with ``old`` in its source, which must be there once, replaced by ``new``."""
    source = textwrap.dedent(inspect.getsource(function))
    source = source[source.index("def ") :]
    assert source.count(old) == 1, f"{function.__name__}: {old!r} is there {source.count(old)} times"
    names = dict(inspect.getmodule(function).__dict__)
    exec(source.replace(old, new), names)
    made = names[function.__name__]
    made.source = source.replace(old, new)
    return made


def standalone(exercise: str, function: Callable) -> str:
    """What a student's cell holds who answers so: the imports, the helpers and the function under its own name."""
    module = inspect.getmodule(function)
    tree = ast.parse(inspect.getsource(module))
    kept = [node for node in tree.body if isinstance(node, ast.Import) or getattr(node, "level", 1) == 0]
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = []
            kept.append(node)
    own = getattr(function, "source", "")
    return f"{ast.unparse(ast.Module(kept, []))}\n\n{own}\n\n{exercise} = {function.__name__}\n"
