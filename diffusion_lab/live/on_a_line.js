// Data on a line, each datum a spike or a bell of the same width: what the figure of The number 8 computes.

import { make_schedule } from "./any_schedule.js";
import { ExactDenoiser } from "./exact.js";

export const WEIGHT = 0.3; // of a number that has no other

/** The data of a state: means, stds and weights, one each. */
export function data_of({ means, weights, width }) {
  return { means, stds: means.map(() => width), weights: means.map((_, k) => weights[k] ?? WEIGHT) };
}

export function denoiser_of(state) {
  const { means, stds, weights } = data_of(state);
  return new ExactDenoiser(means, stds, weights, make_schedule(state));
}

/** The area under the bell to the left of z (Abramowitz & Stegun 7.1.26, to 1e-7). */
export function ndtr(z) {
  const x = Math.abs(z) / Math.SQRT2;
  const u = 1 / (1 + 0.3275911 * x);
  const polynomial = u * (0.254829592 + u * (-0.284496736 + u * (1.421413741 + u * (-1.453152027 + u * 1.061405429))));
  const tail = 0.5 * polynomial * Math.exp(-x * x);
  return z > 0 ? 1 - tail : tail;
}

/** The share of q(x_t) between neighbouring edges. */
export function shares_between(edges, { means, stds, weights, path }, t) {
  const [a, b] = path.ab(t);
  const left_of = edges.map((edge) => {
    let area = 0;
    means.forEach((mean, k) => {
      const std = Math.sqrt(a ** 2 * stds[k] ** 2 + b ** 2);
      area += weights[k] * (std > 0 ? ndtr((edge - a * mean) / std) : +(a * mean < edge));
    });
    return area;
  });
  return left_of.slice(1).map((area, i) => area - left_of[i]);
}

/** The share of numbers between neighbouring edges. */
export function count_between(edges, values) {
  const shares = new Float64Array(edges.length - 1);
  for (const value of values) {
    const bin = edges.findIndex((edge) => value < edge) - 1;
    if (bin >= 0) shares[bin] += 1 / values.length;
  }
  return shares;
}

/** Edges between which a number is nearest to each of the means, in rising order. */
export function cells(means) {
  const sorted = [...new Set(means)].sort((one, other) => one - other);
  const between = sorted.slice(1).map((mean, k) => (mean + sorted[k]) / 2);
  return [sorted, Float64Array.of(-Infinity, ...between, Infinity)];
}
