// Long work in pieces, so that the page answers between them.

export class Pieces {
  /** generator: what is to be done, a bit at a time. */
  constructor(generator) {
    Object.assign(this, { generator, done: false, last: undefined });
  }

  /** Go on until performance.now() is `until`, by one bit at least; true when all is done. `last` is the last value. */
  go(until) {
    while (!this.done) {
      const { value, done } = this.generator.next();
      if (done) this.done = true;
      else this.last = value;
      if (performance.now() >= until) break;
    }
    return this.done;
  }
}
