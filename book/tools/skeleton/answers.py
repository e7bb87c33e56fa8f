"""Answers to the exercises of TODO the chapter."""

from . import instead, right, wrong


@right("first_task")
def by_a_power(x, share):
    if share < 0 or share > 1:
        raise ValueError("share")
    return x * pow(share, 0.5)


wrong("first_task", "TODO share stands where its root belongs")(instead(by_a_power, "pow(share, 0.5)", "share"))
wrong("first_task", "TODO this is the share that is lost")(instead(by_a_power, "pow(share", "pow(1 - share"))
wrong("first_task", "share above 1")(instead(by_a_power, " or share > 1", ""))


@right("second_task")
def by_a_sum(x):
    return x - x.sum(0) / len(x)


wrong("second_task", "TODO the mean of every row is taken off")(lambda x: x - x.mean(1, keepdim=True))
wrong("second_task", "TODO one mean is taken off all columns")(lambda x: x - x.mean())
wrong("second_task", "TODO the widths are made 1, too")(lambda x: (x - x.mean(0)) / x.std(0))
