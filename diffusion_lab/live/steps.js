// The steps a sampler can take from time t to an earlier time s, as in steps.py.
// step(now, to): from what is known at t, and the path's numbers at s, to the mean and standard deviation of x_s.

import { mix, posterior_numbers } from "./noising.js";

/** Ancestral sampling; variance is "posterior" (beta-tilde) or "beta". */
export function ddpm(variance = "posterior") {
  return (now, to) => {
    const [of_x_t, of_x_0, smallest] = posterior_numbers([now.a, now.b], [to.a, to.b]);
    const largest = to.b > 0 ? now.b ** 2 - ((now.a * to.b) / to.a) ** 2 : 0;
    return [mix(of_x_t, now.x_t, of_x_0, now.x_0), Math.sqrt(variance === "posterior" ? smallest : largest)];
  };
}

/** x_s = a_s x_0 + sqrt(b_s^2 - sigma^2) eps + sigma z; eta in [0, 1] says how much of the noise is fresh. */
export function ddim(eta = 0) {
  return (now, to) => {
    const sigma = eta && eta * Math.sqrt(posterior_numbers([now.a, now.b], [to.a, to.b])[2]);
    const of_x_t = Math.sqrt(Math.max(0, to.b ** 2 - sigma ** 2)) / now.b;
    return [mix(of_x_t, now.x_t, to.a - of_x_t * now.a, now.x_0), sigma];
  };
}

/** DPM-Solver++(2M): DDIM that also looks at where its last prediction of x_0 was going. */
export function dpm_solver(eta = 0) {
  const rate = eta ** 2;
  return (now, to) => {
    const shrink = (now.a * to.b) / (to.a * now.b); // exp(-h)
    const of_x_t = (to.b / now.b) * shrink ** rate;
    const of_D = to.a * (1 - shrink ** (1 + rate));
    const std = to.b * Math.sqrt(1 - shrink ** (2 * rate));
    if (!now.before || to.b === 0) return [mix(of_x_t, now.x_t, of_D, now.x_0), std];
    const step_before = (now.before.a * now.b) / (now.a * now.before.b);
    const half = step_before > 0 ? (0.5 * Math.log(shrink)) / Math.log(step_before) : 0; // 1 / (2 r)
    const D = mix(1 + half, now.x_0, -half, now.before.x_0);
    return [mix(of_x_t, now.x_t, of_D, D), std];
  };
}
