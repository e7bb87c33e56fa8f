// Many points on their way back, a few at a time, so that the page answers between them.

import { mix } from "./noising.js";
import { Pieces } from "./pieces.js";
import { Random } from "./random.js";
import { walk } from "./sampling.js";

const PART = 100; // points; they know nothing of each other, so each part of them can walk alone

export class Crowd {
  /** n points from noise to data in `steps` steps; all noise comes from `seed`, for all points at once. */
  constructor(denoiser, path, step, { n, dim, steps, seed }) {
    this.times = path.times(steps);
    this.random = new Random(seed);
    this.noise = []; // of each step that adds some
    this.states = [this.random.normals(n * dim)]; // states[k] belongs to times[k]
    this.walks = [];
    for (let from = 0; from < n * dim; from += PART * dim) {
      const start = this.states[0].slice(from, from + PART * dim);
      let used = 0;
      const noise = (length) => this.fresh(used++).subarray(from, from + length);
      this.walks.push({ from, walk: walk(denoiser, start, path, step, { times: this.times, noise }) });
    }
    this.pieces = new Pieces(this.steps());
  }

  /** The noise of step i, drawn by whoever comes first. */
  fresh(i) {
    this.noise[i] ??= this.random.normals(this.states[0].length);
    return this.noise[i];
  }

  *steps() {
    for (const { walk } of this.walks) walk.next(); // the start
    while (this.states.length < this.times.length) {
      const state = new Float64Array(this.states[0].length);
      for (const { from, walk } of this.walks) {
        state.set(walk.next().value, from);
        yield;
      }
      this.states.push(state);
    }
  }

  /** Go on for some milliseconds, or to the end. */
  go(milliseconds = Infinity) {
    this.pieces.go(performance.now() + milliseconds);
  }

  /** The earliest time that has been reached. */
  get reached() {
    return this.times[this.states.length - 1];
  }

  /** Where all are at time t, or as near to it as has been reached: between two states in a straight line. */
  at(t) {
    const later = Math.max(1, this.times.findIndex((time) => time <= Math.max(t, this.reached)));
    if (later === this.states.length) return this.states[0];
    const share = (this.times[later - 1] - Math.max(t, this.reached)) / (this.times[later - 1] - this.times[later]);
    return mix(1 - share, this.states[later - 1], share, this.states[later]);
  }
}
