// The pictures of the figure of The number 8: noisy numbers above, clean ones below, and what leads from one to another.

import { count_between, data_of, denoiser_of, shares_between } from "./on_a_line.js";
import { linspace } from "./schedule.js";
import { fixed } from "./words.js";

export const LOW = -4;
export const HIGH = 12;
const RIGHTMOST = 9; // beyond it there is no room for words at the right
const PATHS = 60;
// Bins whose edges no data point can be on.
const EDGES = Float64Array.from({ length: 65 }, (_, i) => LOW + 0.125 + 0.25 * i);

export const percent = (share, places = 0) => `${(100 * share).toFixed(places)}\u00a0%`;

/** Where on the x axis to draw a density: everywhere, and more closely where it may be narrow. */
function places({ means, path }, t) {
  const [a, b] = path.ab(t);
  const near = linspace(-4, 4, 41);
  const xs = [...linspace(LOW, HIGH, 200), ...means.flatMap((mean) => Array.from(near, (z) => a * mean + b * z))];
  return Float64Array.from(xs.filter((x) => x >= LOW && x <= HIGH)).sort();
}

/** Noisy numbers above, clean ones below, and what leads from the one to the other between them. */
export function layout(figure, surface) {
  const { height } = surface;
  const [middle, low] = figure.state.mode === "look" ? [0.46, 0.66] : [0.34, 0.74];
  const part = (y, top, bottom) =>
    figure.part_plot(surface, [LOW, HIGH], y, { left: 6, right: 6, top, bottom: height - bottom });
  return {
    above: part([0, 1], 18, middle * height),
    between: part([0, figure.state.T], middle * height + 26, low * height),
    data: part([0, 1.05], low * height + 6, height - 44),
  };
}

export function draw_data(figure, plot) {
  const { means, stds, weights } = data_of(figure.state);
  const [data, muted] = [figure.color("data"), figure.color("muted")];
  plot.x_axis(muted, { count: 8 });
  plot.text("x₀", HIGH, 0, muted, { align: "right", dy: -10 });
  means.forEach((mean, k) => {
    if (stds[k] === 0) return plot.line(mean, 0, mean, weights[k], data, { width: 3 });
    const xs = linspace(mean - 4 * stds[k], mean + 4 * stds[k], 80).filter((x) => x > LOW && x < HIGH);
    const height = (x) => weights[k] * Math.exp(-0.5 * ((x - mean) / stds[k]) ** 2);
    plot.curve(xs, xs.map(height), data, { fill: true });
  });
}

export function draw_look(figure, { above, between, data }, { shares, best_guess }) {
  const { state } = figure;
  const denoiser = denoiser_of(state);
  const { means, stds, weights, path } = denoiser;
  const [ink, muted, noise, truth] = ["ink", "muted", "noise", "truth"].map((name) => figure.color(name));
  const [a, b] = path.ab(state.t);
  const bell = (x, k) => {
    const variance = a ** 2 * stds[k] ** 2 + b ** 2;
    return (weights[k] * Math.exp((-0.5 * (x - a * means[k]) ** 2) / variance)) / Math.sqrt(2 * Math.PI * variance);
  };
  const xs = places(denoiser, state.t);
  const all = denoiser.log_prob(xs, state.t).map(Math.exp);
  above.high[1] = 1.08 * Math.max(...all);
  above.x_axis(muted, { count: 8 });
  above.text("q(xₜ)", HIGH, above.high[1], figure.color("truth-text"), { align: "right" });
  above.text("xₜ", HIGH, 0, muted, { align: "right", dy: -10 });
  above.text(`t = ${state.t}`, LOW, above.high[1], muted, { align: "left" });
  means.forEach((_, k) => above.curve(xs, xs.map((x) => bell(x, k)), noise, { width: 1.5, fill: true }));
  above.curve(xs, all, truth, { width: 2 });
  const { context } = above;
  context.save();
  Object.assign(context, { strokeStyle: truth, globalAlpha: 0.45, lineCap: "round" });
  shares.forEach((share, k) => {
    context.lineWidth = 18 * share;
    context.beginPath();
    context.moveTo(between.x(state.x_t), between.box.top);
    context.lineTo(data.x(means[k]), data.y(data_of(state).weights[k]));
    if (share > 0.002) context.stroke();
  });
  context.restore();
  above.line(state.x_t, 0, state.x_t, above.high[1], ink, { dash: [3, 3] });
  means.forEach((_, k) => above.dots([state.x_t, bell(state.x_t, k)], noise, { radius: 4, alpha: 1 }));
  shares.forEach((share, k) => {
    const [align, dx] = means[k] < RIGHTMOST ? ["left", 13] : ["right", -13];
    const weight = data_of(state).weights[k];
    const dy = Math.min(9, data.y(0) - data.y(weight) - 15); // not on the dot of the best guess
    data.text(percent(share), means[k], weight, ink, { align, dx, dy });
  });
  data.dots([best_guess, 0], truth, { radius: 6, alpha: 1 });
  const aside = Math.max(LOW + 2.5, Math.min(HIGH - 2.5, best_guess));
  data.text(`best guess ${fixed(best_guess, 2)}`, aside, 0, figure.color("truth-text"), { dy: 34, size: 14 });
}

export function draw_back(figure, { above, between }, { times, states }, step) {
  const { T } = figure.state;
  const [muted, model, truth] = ["muted", "model", "truth"].map((name) => figure.color(name));
  const [t, now] = [times[step], states[step]];
  const density = (shares) => shares.map((share, i) => share / (EDGES[i + 1] - EDGES[i]));
  const [made, right] = [count_between(EDGES, now), shares_between(EDGES, denoiser_of(figure.state), t)].map(density);
  above.high[1] = 1.08 * Math.max(...made, ...right);
  above.bars(EDGES, made, model);
  const stairs = Array.from({ length: 2 * right.length }, (_, i) => i);
  above.curve(stairs.map((i) => EDGES[(i + 1) >> 1]), stairs.map((i) => right[i >> 1]), truth);
  above.x_axis(muted, { count: 8 });
  between.line(LOW, t, HIGH, t, muted, { dash: [3, 3] });
  const every = Math.ceil(step / 200);
  const shown = Array.from({ length: step + 1 }, (_, i) => i).filter((i) => i % every === 0 || i === step);
  for (let j = 0; j < PATHS; j++) {
    between.curve(shown.map((i) => states[i][j]), shown.map((i) => times[i]), model, { width: 1, alpha: 0.4 });
    between.dots([now[j], t], model, { radius: 2.5 });
  }
  above.text("truth", HIGH, above.high[1], figure.color("truth-text"), { align: "right" });
  above.text("made", HIGH, above.high[1], figure.color("model-text"), { align: "right", dx: -44 });
  above.text(`t = ${t}`, LOW, above.high[1], muted, { align: "left" });
  between.text(`${T}`, LOW, T, muted, { align: "left", dy: 8 });
}
