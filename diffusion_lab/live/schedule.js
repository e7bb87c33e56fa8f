// DDPM's path from data to noise, as in schedule.py: every table has T + 1 entries, t = 0 is clean, t = T is noise.

export class NoiseSchedule {
  /** From beta_1, ..., beta_T. */
  constructor(betas) {
    this.T = betas.length;
    this.beta = Float64Array.of(0, ...betas);
    this.alpha = this.beta.map((beta) => 1 - beta);
    let product = 1;
    this.alpha_bar = this.alpha.map((alpha) => (product *= alpha));
    this.posterior_variance = this.beta.map((beta, t) =>
      t === 0 ? 0 : (beta * (1 - this.alpha_bar[t - 1])) / (1 - this.alpha_bar[t]),
    );
  }

  static linear(T, start = 1e-4, end = 0.02) {
    return new NoiseSchedule(linspace(start, end, T));
  }

  static scaled_linear(T, start = 0.00085, end = 0.012) {
    return new NoiseSchedule(linspace(start ** 0.5, end ** 0.5, T).map((root) => root ** 2));
  }

  static constant(T, beta) {
    return new NoiseSchedule(new Float64Array(T).fill(beta));
  }

  static cosine(T, offset = 0.008, max_beta = 0.999) {
    const f = (t) => Math.cos(((Math.PI / 2) * (t / T + offset)) / (1 + offset)) ** 2;
    const betas = Float64Array.from({ length: T }, (_, i) => Math.min(1 - f(i + 1) / f(i), max_beta));
    return new NoiseSchedule(betas);
  }

  /** alpha_bar_T: the share of variance that is still signal at T. */
  get signal_left() {
    return this.alpha_bar[this.T];
  }

  /** a = sqrt(alpha_bar_t) and b = sqrt(1 - alpha_bar_t), so that x_t = a x_0 + b eps. */
  ab(t) {
    return [Math.sqrt(this.alpha_bar[t]), Math.sqrt(1 - this.alpha_bar[t])];
  }

  /** The times a sampler visits: T, ..., 0, of length steps + 1. */
  times(steps = this.T) {
    return Array.from({ length: steps + 1 }, (_, i) => round_half_even((this.T * (steps - i)) / steps));
  }
}

/** n numbers in equal steps from start to end. */
export function linspace(start, end, n) {
  return Float64Array.from({ length: n }, (_, i) => (n === 1 ? start : start + ((end - start) * i) / (n - 1)));
}

/** Python's round: a half goes to the even neighbour. */
function round_half_even(value) {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}
