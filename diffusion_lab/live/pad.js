// A pad of 28 x 28 pixels to draw on, black at -1 and white at 1.

export const SIDE = 28;
export const PIXELS = SIDE * SIDE;
const BRUSH = 1.3; // half its width, in pixels of the pad

/** A drawing from its runs: so many black pixels, so many white ones, black ones, ... row after row. */
export function drawing_of(runs) {
  const x_0 = new Float64Array(PIXELS).fill(-1);
  let at = 0;
  runs.forEach((length, i) => x_0.fill(i % 2 ? 1 : -1, at, (at += length)));
  return x_0;
}

export function runs_of(x_0) {
  const runs = [0];
  x_0.forEach((value, i) => {
    if (value !== (i ? x_0[i - 1] : -1)) runs.push(0);
    runs[runs.length - 1]++;
  });
  return runs;
}

/** The drawing with every pixel white that is near the line between two places, [column, row]. */
export function with_line(x_0, [x0, y0], [x1, y1]) {
  const squared = (x1 - x0) ** 2 + (y1 - y0) ** 2;
  return x_0.map((value, i) => {
    const [x, y] = [(i % SIDE) + 0.5, Math.floor(i / SIDE) + 0.5];
    const along = squared ? ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / squared : 0;
    const share = Math.min(1, Math.max(0, along));
    return Math.hypot(x - x0 - share * (x1 - x0), y - y0 - share * (y1 - y0)) < BRUSH ? 1 : value;
  });
}

/**
 * Let the reader draw on a canvas, into the field `drawn`; `digit` becomes "own".
 *
 * A finger draws only when it is that already: else it scrolls the page.
 */
export function watch_pad(figure, element) {
  let last = null;
  element.classList.add("live-pad");
  const place = (event) => {
    const { left, top, width } = element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top].map((each) => (SIDE * each) / width);
  };
  const draw_to = (next) => {
    const { digit, drawn } = figure.state;
    const before = drawing_of(digit === "own" ? drawn : []);
    figure.set({ digit: "own", drawn: runs_of(with_line(before, last ?? next, next)) });
    last = next;
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || (event.pointerType === "touch" && figure.state.digit !== "own")) return;
    element.setPointerCapture(event.pointerId);
    event.preventDefault();
    last = null;
    draw_to(place(event));
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) draw_to(place(event));
  });
}
