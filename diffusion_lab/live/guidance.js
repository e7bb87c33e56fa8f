// Classifier-free guidance, as in guidance.py, over a denoiser that answers later.

import { mix } from "./noising.js";

export class Guided {
  /** scale: 1 is no guidance, 0 ignores the labels; away_from: the label that means "not told". */
  constructor(denoiser, scale, away_from = -1) {
    Object.assign(this, { denoiser, scale, away_from });
  }

  /** x_0 = x_0_not_told + scale (x_0_told - x_0_not_told), both asked in one batch. */
  async x_0(x_t, t, labels) {
    if (this.scale === 1) return this.denoiser.x_0(x_t, t, labels);
    const n = x_t.length;
    const twice = new x_t.constructor(2 * n);
    twice.set(x_t);
    twice.set(x_t, n);
    const both = [...labels, ...labels.map(() => this.away_from)];
    const x_0 = await this.denoiser.x_0(twice, t, both);
    return mix(this.scale, x_0.subarray(0, n), 1 - this.scale, x_0.subarray(n));
  }
}
