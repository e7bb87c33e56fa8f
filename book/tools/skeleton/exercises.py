"""Exercises of TODO the chapter."""

import torch

from .asking import equal, exercise, randn, refuses


@exercise()
def first_task(answer, point, g):
    """first_task(x, share): TODO what is asked, in the words of the chapter.

    Takes a tensor ``x`` and a number ``0 <= share <= 1``. Returns ``x`` scaled so that this share of its variance is
    left. Raises ``ValueError`` for any other ``share``.
    """
    x, share = randn(g, 5), 0.3
    with point("TODO the scaled tensor"):
        slips = {
            "TODO share stands where its root belongs": share * x,
            "TODO this is the share that is lost": (1 - share) ** 0.5 * x,
        }
        equal("the scaled tensor", answer(x, share), share**0.5 * x, slips)
    with point("ValueError unless 0 <= share <= 1"):
        refuses(answer, x, -0.1, because="share below 0")
        refuses(answer, x, 1.1, because="share above 1")


@exercise()
def second_task(answer, point, g):
    """second_task(x): TODO what is asked, in the words of the chapter.

    Takes a tensor of shape ``(B, D)`` with at least two rows. Returns it with the mean of every column taken off.
    """
    x = randn(g, 4, 3) + torch.arange(3.0)
    with point("TODO the mean of every column"):
        slips = {
            "TODO the mean of every row is taken off": x - x.mean(dim=1, keepdim=True),
            "TODO one mean is taken off all columns": x - x.mean(),
            "TODO the widths are made 1, too": (x - x.mean(dim=0)) / x.std(dim=0),
        }
        equal("the columns", answer(x), x - x.mean(dim=0), slips)
