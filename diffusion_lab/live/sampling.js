// Walking back from noise to data, as in sampling.py.

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
    const [a, b] = path.ab(times[i]);
    const [a_s, b_s] = path.ab(times[i + 1]);
    const now = { t: times[i], a, b, x_t, x_0: denoiser.x_0(x_t, times[i]), before };
    const [mean, std] = step(now, { t: times[i + 1], a: a_s, b: b_s });
    x_t = mean;
    if (std > 0) {
      const fresh = noise(mean.length);
      x_t = mean.map((value, j) => value + std * fresh[j]);
    }
    before = now;
    now.before = null;
    yield x_t;
  }
}

/** The last state of the walk: x_0. */
export function sample(...given) {
  let x_t;
  for (x_t of walk(...given));
  return x_t;
}
