"""Exercises that check themselves: what is asked and how it is checked, one module a chapter.

An exercise is a function that takes yours::

    from diffusion_lab.exercises import closed_forms as check

    check.posterior_between(posterior_between)

It prints which points of the contract your function keeps, and raises :class:`NotYet` unless it keeps all. Its
docstring says what is asked. ``seed=`` draws other inputs: the grader takes one that nobody knows beforehand.

The module of ``notebooks/06-closed-forms.ipynb`` is ``closed_forms``. No module holds a solution: the truth comes from
the package, from another library, or from what has to be true of the answer. To write an exercise, read
:mod:`.asking` and then ``closed_forms``.
"""

from .asking import NotYet

__all__ = ["NotYet"]
