// Gradient descent on the mean squared error of a line, as in Before you start.
// Weights are [w] for f(x) = w x, and [w, b] for f(x) = w x + b.

import { EXAMPLES } from "./weights/examples.js";

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The examples. A line with an offset gets those of the chapter moved to the right: then its loss is a valley. */
export function examples(loss) {
  return { x: loss === "two" ? EXAMPLES.x.map((x) => x + 2) : EXAMPLES.x, y: EXAMPLES.y };
}

/** Of f(x) = w x or, with two weights, w x + b, less y. */
export const errors = ([w, b = 0], { x, y }) => x.map((each, i) => w * each + b - y[i]);
export const loss_at = (weights, data) => mean(errors(weights, data).map((error) => error ** 2));

/** The slope of the loss for each weight. */
export function slope_at(weights, data) {
  const error = errors(weights, data);
  const [by_w, by_b] = [mean(error.map((each, i) => 2 * data.x[i] * each)), mean(error.map((each) => 2 * each))];
  return [by_w, by_b].slice(0, weights.length);
}

/** The weights at the start and after each of n nudges. */
export function descend(start, lr, n, data) {
  const path = [start];
  for (let i = 0; i < n; i++) {
    const slope = slope_at(path[i], data);
    path.push(path[i].map((weight, k) => weight - lr * slope[k]));
  }
  return path;
}

/**
 * The shape of the loss: how strongly it bends, least and most, and its lowest point.
 *
 * With two weights also the matrix of second slopes: for w, for w and b, for b.
 */
export function bowl({ x, y }, both) {
  const [xx, x_, xy, y_] = [mean(x.map((v) => v * v)), mean(x), mean(x.map((v, i) => v * y[i])), mean(y)];
  if (!both) return { bends: [2 * xx], lowest: [xy / xx] };
  const half = Math.hypot((xx - 1) / 2, x_);
  const w = (xy - x_ * y_) / (xx - x_ * x_);
  return {
    matrix: [2 * xx, 2 * x_, 2],
    bends: [xx + 1 - 2 * half, xx + 1 + 2 * half],
    lowest: [w, y_ - w * x_],
  };
}
