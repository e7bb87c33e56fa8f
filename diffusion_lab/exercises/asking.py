"""What all exercises share: points with names, and messages that say which slip a wrong answer comes from.

    @exercise(instead_of=["diffusion_lab.noising.posterior"])
    def posterior_between(answer, point, g):
        '''posterior_between(x_0, x_t, t, s, schedule): what is asked.'''
        with point("the mean"):
            equal("the mean", mean, truth, {"there is a root too few in front of x_0": wrong})

``answer`` is called like the function that it stands for; when a submission is graded it runs in another process.
"""

import functools
import inspect
import itertools
import math
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..checks import describe


class Slip(Exception):
    """One point is not kept; the message says why."""


class NotYet(Exception):
    """An answer that is not right yet. The message says of every point whether it is kept.

    Jupyter shows the message alone: the way through the check teaches nothing.
    """

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


# ---- an exercise ------------------------------------------------------------------------------------------------


def exercise(instead_of: list[str] = ()) -> Callable:
    """Make ``check(answer, seed=0)`` of a function of ``answer``, ``point`` and ``g`` that goes through the points.

    Args:
        instead_of: the functions that ``answer`` may not call, since it has to do what they do; by their full names.
    """

    def make(ask: Callable) -> Callable:
        name = ask.__name__

        @functools.wraps(ask)
        def check(answer: Callable, seed: int = 0) -> None:
            if not callable(answer):
                raise NotYet(f"{name}: expected your function itself, as in `{name}`, got {describe(answer)}")
            calls = answer if hasattr(answer, "called") else Watched(answer)
            calls.not_to_call = instead_of
            kept: dict[str, str | None] = {}
            ask(calls, functools.partial(point, kept), torch.Generator().manual_seed(seed))
            if calls.called:
                names = " and ".join(sorted(calls.called))
                kept["written by yourself"] = f"it calls {names}, and what that does is what is asked for"
            if any(kept.values()):
                raise NotYet(told(name, kept))
            print(told(name, kept))

        # What is asked is told to the reader, the rest to whoever reads the code.
        check.__signature__ = inspect.Signature(
            list(inspect.signature(check, follow_wrapped=False).parameters.values())
        )
        check.instead_of = list(instead_of)
        return check

    return make


def told(name: str, kept: dict[str, str | None]) -> str:
    """A line for each point: right, or wrong and why."""
    lines = [f"  right  {one}" if why is None else f"  wrong  {one}: {why}" for one, why in kept.items()]
    return "\n".join([f"{name}: {'all of it is right' if not any(kept.values()) else 'not yet'}", *lines])


@contextmanager
def point(kept: dict[str, str | None], name: str) -> Iterator[None]:
    """One point of a contract. What goes wrong inside is kept for the end; the first time counts."""
    kept.setdefault(name, None)
    try:
        yield
    except Slip as slip:
        kept[name] = kept[name] or str(slip)
    except NotImplementedError:
        kept[name] = kept[name] or "it is not written yet"
    except Exception as error:
        kept[name] = kept[name] or f"{type(error).__name__}: {error}{place(error)}"


def place(error: BaseException) -> str:
    """The line of the answer in which an error was raised, where it is known."""
    if notes := getattr(error, "__notes__", None):
        return notes[0]  # it comes from another process, which knew
    ours = __file__.removesuffix("asking.py")
    frames = iter(traceback.extract_tb(error.__traceback__))
    frames = [*itertools.dropwhile(lambda one: not one.filename.startswith(ours), frames)]
    lines = [one.line for one in frames if not one.filename.startswith(ours)]
    return f" (in the line `{lines[0]}`)" if lines and lines[0] else ""


# ---- who calls whom ---------------------------------------------------------------------------------------------


class Watched:
    """A function that remembers in ``called`` which of the functions named in ``not_to_call`` it came by."""

    def __init__(self, function: Callable):
        self.function, self.called, self.not_to_call = function, set(), []

    def __call__(self, *args, **kwargs):
        codes, others = {}, {}
        for name in self.not_to_call:
            function = found(name)
            if hasattr(function, "__code__"):
                codes[function.__code__] = name
            else:
                others[id(function)] = name

        def notice(frame, event, argument):
            if event == "call" and frame.f_code in codes:
                self.called.add(codes[frame.f_code])
            elif event == "c_call" and id(argument) in others:
                self.called.add(others[id(argument)])

        if not self.not_to_call or sys.getprofile() is not None:  # a profiler is at work, and there is room for one
            return self.function(*args, **kwargs)
        sys.setprofile(notice)
        try:
            return self.function(*args, **kwargs)
        finally:
            if sys.getprofile() is not notice:
                self.called.add("sys.setprofile")
            sys.setprofile(None)


def found(name: str) -> Callable:
    """The function of that full name, such as ``torch.nn.functional.softmax``."""
    module, _, rest = name.rpartition(".")
    while module not in sys.modules:
        module, _, more = module.rpartition(".")
        rest = f"{more}.{rest}"
    return functools.reduce(getattr, rest.split("."), sys.modules[module])


# ---- comparing --------------------------------------------------------------------------------------------------


def equal(what: str, got: object, wanted: object, slips: dict[str, object] | None = None, atol: float = 1e-4) -> None:
    """Hold ``got`` to ``wanted``: a tensor by shape and values, a number by value, anything else by equality.

    Args:
        what: the name of the value in the message.
        slips: from a message to the value that comes of that slip, in the order in which they are tried.
        atol: how far a number may be off, absolutely or relatively.

    Raises:
        Slip: with the message of the slip that gives ``got``, or with what was expected and what was given.
    """
    for message, wrong in (slips or {}).items():
        if same(got, wrong, atol) and not same(got, wanted, atol):
            raise Slip(message)
    if got is None:
        raise Slip(f"{what}: got None. Does the function end with `return`?")
    if not isinstance(wanted, Tensor | float):
        if isinstance(got, Tensor) or got != wanted:
            raise Slip(f"{what}: expected {wanted!r}, got {shown(got)}")
        return
    if not numeric(got):
        kind = "a number" if isinstance(wanted, float) else f"a tensor of shape {tuple(wanted.shape)}"
        raise Slip(f"{what}: expected {kind}, got {shown(got)}")
    if shape(got) != shape(wanted):
        raise Slip(f"{what}: expected the shape {shape(wanted)}, got {shape(got)}")
    if not same(got, wanted, atol):
        got, wanted = torch.as_tensor(got).double(), torch.as_tensor(wanted).double()
        off = torch.nan_to_num((got - wanted).abs(), nan=math.inf)
        at = tuple(map(int, torch.unravel_index(off.argmax(), off.shape)))
        where = f" at the place {at}" if at else ""
        raise Slip(f"{what}: expected {wanted[at]:.4g}{where}, got {got[at]:.4g}")


def same(one: object, other: object, atol: float) -> bool:
    if numeric(one) and numeric(other):
        one, other = torch.as_tensor(one), torch.as_tensor(other)
        return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=atol, atol=atol)
    return type(one) is type(other) and not isinstance(one, Tensor) and bool(one == other)


def numeric(x: object) -> bool:
    return isinstance(x, Tensor | int | float)


def shape(x: object) -> tuple[int, ...]:
    return tuple(torch.as_tensor(x).shape)


def shown(x: object) -> str:
    """A value for a message: short, whatever it is."""
    text = describe(x) if isinstance(x, Tensor) else "None" if x is None else f"{type(x).__name__} {x!r}"
    return text if len(text) < 80 else f"{text[:77]}..."


def parts(found: object, *names: str) -> tuple:
    """The values that an answer returns together, one for each of ``names``, or Slip."""
    if not isinstance(found, tuple | list) or len(found) != len(names):
        got = f"{len(found)} values" if isinstance(found, tuple | list) else shown(found)
        hint = ". Does the function end with `return`?" if found is None else ""
        raise Slip(f"expected {len(names)} values, {' and '.join(names)}; got {got}{hint}")
    return tuple(found)


def on_average(what: str, values: Tensor, expected: float, slips: dict[str, float] | None = None) -> None:
    """Hold the mean of independent ``values`` to ``expected``: within five standard errors, or Slip.

    A slip is recognised if the mean is within five standard errors of what comes of it.
    """
    if not isinstance(values, Tensor) or not values.is_floating_point() or values.numel() < 2:
        raise Slip(f"{what}: expected a tensor of numbers, got {shown(values)}")
    values = values.double().flatten()
    mean, error = values.mean().item(), (values.std() / len(values) ** 0.5).item()
    error = max(error, 1e-6 * abs(mean))  # of values that are all the same there is rounding alone
    if abs(mean - expected) <= 5 * error:
        return
    for message, wrong in (slips or {}).items():
        if abs(mean - wrong) <= 5 * error:
            raise Slip(message)
    raise Slip(f"{what}: expected {expected:.4g} on average, got {mean:.4g} with a standard error of {error:.2g}")


def refuses(answer: Callable, *args, because: str, error: type[Exception] = ValueError, **kwargs) -> None:
    """``answer(*args, **kwargs)`` has to raise ``error``; ``because`` says what is wrong with what it was given."""
    try:
        answer(*args, **kwargs)
    except error:
        return
    except NotImplementedError:
        raise
    except Exception as other:
        raise Slip(f"{because}: expected a {error.__name__}, got {type(other).__name__}: {other}") from other
    raise Slip(f"{because}: it is let through; expected a {error.__name__}")


def randn(g: torch.Generator, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=g, dtype=dtype)
