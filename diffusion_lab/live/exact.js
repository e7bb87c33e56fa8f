// The best possible denoiser as a formula, as in exact.py: data from a mixture of round Gaussians.

import { mix } from "./noising.js";

export class ExactDenoiser {
  /** means: K * dim numbers; stds and weights: K. */
  constructor(means, stds, weights, path, dim = 1) {
    const sum = weights.reduce((total, weight) => total + weight, 0);
    Object.assign(this, { means, stds, path, dim, weights: Array.from(weights, (weight) => weight / sum) });
  }

  /** The denoiser of a finite data set, each point equally likely. */
  static dataset(points, path, dim = 1) {
    const K = points.length / dim;
    return new ExactDenoiser(points, new Float64Array(K), new Float64Array(K).fill(1), path, dim);
  }

  /** E[eps | x_t]. */
  eps(x_t, t) {
    const [a, b] = this.path.ab(t);
    return mix(1 / b, x_t, -a / b, this.x_0(x_t, t));
  }

  /** E[x_0 | x_t] = sum_k r_k (b^2 mean_k + a std_k^2 x_t) / var_k. */
  x_0(x_t, t) {
    const [a, b] = this.path.ab(t);
    return this.pulled(x_t, t, b ** 2, this.stds.map((std) => a * std ** 2));
  }

  /** The gradient of log q(x_t): sum_k r_k (a mean_k - x_t) / var_k. */
  score(x_t, t) {
    const [a] = this.path.ab(t);
    return this.pulled(x_t, t, a, this.stds.map(() => -1));
  }

  /** sum_k r_k (of_mean mean_k + of_x_t_k x_t) / var_k. */
  pulled(x_t, t, of_mean, of_x_t) {
    const { means, dim } = this;
    const variance = this.variance(t);
    const out = new Float64Array(x_t.length);
    this.each(x_t, t, (i, shares) => {
      for (let k = 0; k < shares.length; k++) {
        const pull = shares[k] / variance[k];
        for (let j = 0; j < dim; j++) out[i + j] += pull * (of_mean * means[k * dim + j] + of_x_t[k] * x_t[i + j]);
      }
    });
    return out;
  }

  /** var_k = a^2 std_k^2 + b^2, one for each component. */
  variance(t) {
    const [a, b] = this.path.ab(t);
    return this.stds.map((std) => a ** 2 * std ** 2 + b ** 2);
  }

  /** log q(x_t), one number for each sample. */
  log_prob(x_t, t) {
    const out = new Float64Array(x_t.length / this.dim);
    this.each(x_t, t, (i, _, log_sum) => (out[i / this.dim] = log_sum));
    return out;
  }

  /** r_k(x_t), how likely x_t came from component k: K numbers for each sample. */
  shares(x_t, t) {
    const K = this.stds.length;
    const out = new Float64Array((x_t.length / this.dim) * K);
    this.each(x_t, t, (i, shares) => out.set(shares, (i / this.dim) * K));
    return out;
  }

  /** Call visit(i, r, log q) for the sample that begins at x_t[i]; r is used again for the next. */
  each(x_t, t, visit) {
    const { means, dim, weights } = this;
    const [a] = this.path.ab(t);
    const variance = this.variance(t);
    const K = variance.length;
    const shares = new Float64Array(K);
    const half = variance.map((each) => 0.5 / each);
    const base = variance.map((each, k) => Math.log(weights[k]) - 0.5 * dim * Math.log(2 * Math.PI * each)); // log peaks
    for (let i = 0; i < x_t.length; i += dim) {
      let largest = -Infinity;
      for (let k = 0; k < K; k++) {
        let squared = 0;
        for (let j = 0; j < dim; j++) squared += (x_t[i + j] - a * means[k * dim + j]) ** 2;
        shares[k] = base[k] - squared * half[k];
        if (shares[k] > largest) largest = shares[k];
      }
      let sum = 0;
      for (let k = 0; k < K; k++) sum += shares[k] = Math.exp(shares[k] - largest);
      for (let k = 0; k < K; k++) shares[k] /= sum;
      visit(i, shares, largest + Math.log(sum));
    }
  }
}
