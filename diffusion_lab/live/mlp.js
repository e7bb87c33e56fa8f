// The network for points, as in models/mlp.py and models/embedding.py, and a network as a denoiser, as in denoiser.py.

import { convert } from "./targets.js";

/** dim numbers for one time: cos(w_i t), then sin(w_i t), with w_i = max_period^(-i / (dim / 2)). */
export function sinusoidal_embedding(t, dim, max_period = 10_000) {
  const half = dim / 2;
  return Float64Array.from({ length: dim }, (_, i) => {
    const angle = t * max_period ** (-(i % half) / half);
    return i < half ? Math.cos(angle) : Math.sin(angle);
  });
}

export class MLP {
  /** layers: for each name of the Python network's state_dict its numbers, row after row. */
  constructor(layers, { dim, width, depth }) {
    // One kind of array all through: the inner loop is twice as slow once it has met two.
    const arrays = Object.entries(layers).map(([name, numbers]) => [name, Float64Array.from(numbers)]);
    Object.assign(this, { layers: Object.fromEntries(arrays), dim, width, depth });
  }

  /** A network whose weights are kept as a text each: half precision, little end first, in base64. */
  static read({ layers, options }) {
    return new MLP(Object.fromEntries(Object.entries(layers).map(([name, text]) => [name, halves(text)])), options);
  }

  /** What the network answers for a batch of points, a Float64Array, at one time. */
  forward(x_t, t) {
    const { layers, dim, width, depth } = this;
    const quarter = width / 4;
    const wave = sinusoidal_embedding(t, quarter);
    const time = this.linear("time.layers.2", silu(this.linear("time.layers.0", wave, quarter)), quarter);
    let h = x_t;
    for (let i = 0; i < depth; i++) {
      const heard = this.linear(`hear_time.${i}`, time, quarter);
      h = silu(this.linear(`hidden.${i}`, h, i === 0 ? dim : width, heard));
    }
    return this.linear("out", h, width);
  }

  /** x W^T + bias (+ extra, the same for every row), for rows of `inputs` numbers. */
  linear(name, x, inputs, extra) {
    const weight = this.layers[`${name}.weight`];
    const bias = this.layers[`${name}.bias`];
    const outputs = bias.length;
    const rows = x.length / inputs;
    const out = new Float64Array(rows * outputs);
    for (let o = 0; o < outputs; o++) {
      const start = bias[o] + (extra ? extra[o] : 0);
      const w = o * inputs;
      let row = 0;
      for (; row + 4 <= rows; row += 4) {
        // Four rows at a time: each weight is fetched once for all of them.
        const r0 = row * inputs;
        const r1 = r0 + inputs;
        const r2 = r1 + inputs;
        const r3 = r2 + inputs;
        let s0 = start;
        let s1 = start;
        let s2 = start;
        let s3 = start;
        for (let i = 0; i < inputs; i++) {
          const each = weight[w + i];
          s0 += each * x[r0 + i];
          s1 += each * x[r1 + i];
          s2 += each * x[r2 + i];
          s3 += each * x[r3 + i];
        }
        out[row * outputs + o] = s0;
        out[(row + 1) * outputs + o] = s1;
        out[(row + 2) * outputs + o] = s2;
        out[(row + 3) * outputs + o] = s3;
      }
      for (; row < rows; row++) {
        let sum = start;
        for (let i = 0; i < inputs; i++) sum += weight[w + i] * x[row * inputs + i];
        out[row * outputs + o] = sum;
      }
    }
    return out;
  }
}

/** Numbers from half precision in base64: a sign, five bits of exponent, ten of fraction. */
export function halves(text) {
  const bytes = atob(text);
  return Float64Array.from({ length: bytes.length / 2 }, (_, i) => {
    const bits = bytes.charCodeAt(2 * i) + 256 * bytes.charCodeAt(2 * i + 1);
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
    return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
  });
}

/** x / (1 + exp(-x)), in place. */
function silu(x) {
  for (let i = 0; i < x.length; i++) x[i] /= 1 + Math.exp(-x[i]);
  return x;
}

export class Denoiser {
  /** target: what the network predicts, a name of TARGETS. */
  constructor(network, path, target) {
    Object.assign(this, { network, path, target });
  }

  eps(x_t, t) {
    return convert(x_t, t, this.network.forward(x_t, t), this.path, this.target, "eps");
  }

  x_0(x_t, t) {
    return convert(x_t, t, this.network.forward(x_t, t), this.path, this.target, "x_0");
  }
}
