// The distributions q that destroy data, and the way back when the clean data are known, as in noising.py.
// A batch is one flat array: sample after sample, coordinate after coordinate.

/** c x + d y. */
export function mix(c, x, d, y) {
  return x.map((value, i) => c * value + d * y[i]);
}

/** Draw from q(x_t | x_0): x_t = a x_0 + b eps. */
export function add_noise(x_0, t, eps, path) {
  const [a, b] = path.ab(t);
  return mix(a, x_0, b, eps);
}

/** The coefficients of x_t and x_0 in the mean of q(x_s | x_t, x_0), and its variance; from [a, b] at t and at s. */
export function posterior_numbers([a_t, b_t], [a_s, b_s]) {
  const root = a_t / a_s; // sqrt(alpha)
  const beta = b_t ** 2 - (root * b_s) ** 2;
  return [(root * b_s ** 2) / b_t ** 2, (a_s * beta) / b_t ** 2, (beta * b_s ** 2) / b_t ** 2];
}

/** Mean and variance of q(x_s | x_t, x_0). */
export function posterior(x_0, x_t, t, path, s = t - 1) {
  const [of_x_t, of_x_0, variance] = posterior_numbers(path.ab(t), path.ab(s));
  return [mix(of_x_0, x_0, of_x_t, x_t), variance];
}
