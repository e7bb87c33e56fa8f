// What a network's answer says, as in targets.py: out = p x_0 + q eps.

import { mix } from "./noising.js";

export const TARGETS = {
  eps: () => [0, 1],
  x_0: () => [1, 0],
  v: (a, b) => [-b, a],
  flow: () => [-1, 1],
  score: (a, b) => [0, -1 / b],
};

/** From out, which says `source` of x_t, what it says in terms of `target`. */
export function convert(x_t, t, out, path, source, target) {
  const [a, b] = path.ab(t);
  const [p, q] = TARGETS[source](a, b);
  const [p_target, q_target] = TARGETS[target](a, b);
  const d = a * q - b * p;
  return mix((p_target * q - q_target * p) / d, x_t, (q_target * a - p_target * b) / d, out);
}
