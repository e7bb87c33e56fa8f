"""Answers to the exercises of chapter 6."""

import torch

from diffusion_lab import posterior

from . import instead, right, wrong


@right("condition")
def by_inverse(mean, covariance, told):
    n = mean.shape[0] - told.shape[0]
    if told.shape[0] < 1 or n < 1 or covariance.shape != torch.Size([len(mean)] * 2):
        raise ValueError("mean, covariance and told do not fit together")
    cross = covariance[n:, :n]
    gain = cross.T.matmul(covariance[n:, n:].inverse())
    return mean[:n] + gain.matmul(told - mean[n:]), covariance[:n, :n] - gain.matmul(cross)


wrong("condition", "the surprise is w - m_w")(instead(by_inverse, "(told - mean[n:])", "(told)"))
wrong("condition", "its inverse belongs")(instead(by_inverse, "[n:, n:].inverse()", "[n:, n:]"))
wrong("condition", "what is told narrows it")(instead(by_inverse, "[:n, :n] - gain.matmul(cross)", "[:n, :n]"))
wrong("condition", "every number is told")(instead(by_inverse, " or n < 1", ""))


@right("posterior_between")
def by_precisions(x_0, x_t, t, s, schedule):
    if s < 0 or s >= t:
        raise ValueError("s must lie in 0..t-1")
    a_s, a_t = float(schedule.alpha_bar[s]), float(schedule.alpha_bar[t])
    if s == 0:
        return x_0, 0.0
    step = a_t / a_s
    from_x_t, from_x_0 = step / (1 - step), 1 / (1 - a_s)
    variance = 1 / (from_x_t + from_x_0)
    return variance * (from_x_t * x_t / step**0.5 + from_x_0 * a_s**0.5 * x_0), variance


@wrong("posterior_between", "your variance is beta")
def beta_for_beta_tilde(x_0, x_t, t, s, schedule):
    mean, _ = by_precisions(x_0, x_t, t, s, schedule)
    return mean, 1 - schedule.alpha_bar[t] / schedule.alpha_bar[s]


@wrong("posterior_between", "alpha stands in front of x_t where its root belongs")
def a_missing_root(x_0, x_t, t, s, schedule):
    if not 0 <= s < t:
        raise ValueError("s")
    a_s, a_t = schedule.alpha_bar[s].item(), schedule.alpha_bar[t].item()
    a = a_t / a_s
    mean = (a_s**0.5 * (1 - a) * x_0 + a * (1 - a_s) * x_t) / (1 - a_t)
    return mean, (1 - a) * (1 - a_s) / (1 - a_t)


wrong("posterior_between", "it calls diffusion_lab.noising.posterior")(
    lambda x_0, x_t, t, s, schedule: posterior(x_0, x_t, t, schedule, s)
)
wrong("posterior_between", "s = t: it is let through")(instead(a_missing_root, "0 <= s < t", "0 <= s <= t"))
wrong("posterior_between", "not of all steps from s to t")(
    instead(a_missing_root, "a = a_t / a_s", "a = schedule.alpha[t].item()")
)
wrong("posterior_between", "got None. Does the function end with `return`?")(lambda *_: None)
