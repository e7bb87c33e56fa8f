// Walking back from noise to data, as in sampling.py.

import { mix } from "./noising.js";

/** One step from time t to the earlier s: x_s, and what was known at t, for the step after it. */
export function advance(x_t, x_0, before, [t, s], path, step, noise) {
  const [a, b] = path.ab(t);
  const [a_s, b_s] = path.ab(s);
  const now = { t, a, b, x_t, x_0, before };
  const [mean, std] = step(now, { t: s, a: a_s, b: b_s });
  now.before = null;
  return [std > 0 ? mix(1, mean, std, noise(mean.length)) : mean, now];
}

/**
 * Every state on the way: the start, then the state after each step.
 *
 * denoiser: has x_0(x_t, t), the clean data that it predicts.
 * noise: draws as many standard normal numbers as it is asked for; asked only by a step that adds noise.
 */
export function* walk(denoiser, start, path, step, { times = path.times(), noise } = {}) {
  let x_t = start;
  let before = null;
  yield x_t;
  for (let i = 0; i + 1 < times.length; i++) {
    const x_0 = denoiser.x_0(x_t, times[i]);
    [x_t, before] = advance(x_t, x_0, before, [times[i], times[i + 1]], path, step, noise);
    yield x_t;
  }
}

/** The last state of the walk: x_0. */
export function sample(...given) {
  let x_t;
  for (x_t of walk(...given));
  return x_t;
}
