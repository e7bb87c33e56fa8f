// Data, as in datasets.py: pictures are flat, 28 rows of 28 pixels, from -1 for black to 1 for white.

import { PIXELS, SIDE } from "./pad.js";
import { DIGITS } from "./weights/digits.js";

/** scikit-learn's first digit of each kind, enlarged from 8x8 to 24x24 with a black frame of 2: ten pictures. */
export function digits() {
  return DIGITS.map((text) => {
    const small = Float64Array.from(text, (letter) => parseInt(letter, 17) / 8 - 1);
    const large = enlarge(small, 8, 24).map((value) => Math.min(1, Math.max(-1, value)));
    const picture = new Float64Array(PIXELS).fill(-1);
    for (let row = 0; row < 24; row++) picture.set(large.subarray(24 * row, 24 * (row + 1)), SIDE * (row + 2) + 2);
    return picture;
  });
}

/** n x n pixels to m x m, as PyTorch's interpolate(mode="bicubic"): each new pixel mixes its 4 x 4 neighbours. */
function enlarge(x, n, m) {
  const taps = Array.from({ length: m }, (_, i) => {
    const place = ((i + 0.5) * n) / m - 0.5;
    return [-1, 0, 1, 2].map((k) => {
      const at = Math.floor(place) + k;
      return [Math.min(n - 1, Math.max(0, at)), cubic(Math.abs(place - at))];
    });
  });
  const out = new Float64Array(m * m);
  taps.forEach((rows, i) => {
    taps.forEach((columns, j) => {
      for (const [row, a] of rows) for (const [column, b] of columns) out[m * i + j] += a * b * x[n * row + column];
    });
  });
  return out;
}

/** Keys' kernel with a = -0.75. */
function cubic(d) {
  return d <= 1 ? (1.25 * d - 2.25) * d * d + 1 : -0.75 * (((d - 5) * d + 8) * d - 4);
}
