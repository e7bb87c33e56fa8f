// Denoiser and walk once more, as in denoiser.py and sampling.py, for a network that answers later: from a worker.

import { advance } from "./sampling.js";
import { convert } from "./targets.js";

export class Denoiser {
  /** network: has forward(x_t, t, labels), a promise of its answer; target: what that is, a name of TARGETS. */
  constructor(network, path, target) {
    Object.assign(this, { network, path, target });
  }

  async x_0(x_t, t, labels) {
    const out = await this.network.forward(x_t, t, labels);
    return convert(x_t, t, out, this.path, this.target, "x_0");
  }
}

/** For edit: predictions of x_0 are clipped to [-bound, bound]. */
export function clip(bound = 1) {
  return (x_0) => x_0.map((value) => Math.min(bound, Math.max(-bound, value)));
}

/** Every state on the way: the start, then the state after each step; `labels` are handed to the denoiser. */
export async function* walk(denoiser, start, path, step, { times = path.times(), noise, edit = clip(), labels } = {}) {
  let x_t = start;
  let before = null;
  yield x_t;
  for (let i = 0; i + 1 < times.length; i++) {
    const x_0 = edit(await denoiser.x_0(x_t, times[i], labels));
    [x_t, before] = advance(x_t, x_0, before, [times[i], times[i + 1]], path, step, noise);
    yield x_t;
  }
}
