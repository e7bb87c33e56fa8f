// Fewer steps: the paths of a sampler on the line, beside the true ones, and where a thousand of them end.

import { adds_noise, sampler_fields, step_of } from "../any_sampler.js";
import { ExactDenoiser } from "../exact.js";
import { number, numbers } from "../fields.js";
import { histogram } from "../plot.js";
import { Pieces } from "../pieces.js";
import { Random } from "../random.js";
import { walk } from "../sampling.js";
import { NoiseSchedule, linspace } from "../schedule.js";
import { ddim } from "../steps.js";

const LIMIT = 2.6; // of x_t
const MANY = 1000; // ends
const BINS = 52;
const BIN = (2 * LIMIT) / BINS;
const HIGHEST = 1.45; // density that the histogram has room for
const COUNTS = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100];
const SHORT = { ddim: "DDIM", ddpm: "DDPM", dpm_solver: "2M" };

const schedule = NoiseSchedule.cosine(1000);
const world = new ExactDenoiser([-1, 1], [0.25, 0.25], [0.5, 0.5], schedule);
const { T } = schedule;

const fine = linspace(-LIMIT, LIMIT, 20 * BINS + 1);
const TRUE_DENSITY = world.log_prob(fine, 0).map(Math.exp);
// The mean of the density in each bin, by the trapezoidal rule.
const TRUE_HEIGHTS = Float64Array.from({ length: BINS }, (_, bin) => {
  const inside = TRUE_DENSITY.subarray(20 * bin, 20 * bin + 21);
  return (inside.reduce((sum, each) => sum + each) - (inside[0] + inside[20]) / 2) / 20;
});

/** Every state of the true paths: DDIM at every one of the T steps. */
export function true_walk(starts) {
  return walk(world, starts, schedule, ddim());
}

/** Every state of the sampler's paths; random: where its fresh noise comes from. */
export function sampler_walk(starts, state, random) {
  const noise = (n) => random.normals(n);
  return walk(world, starts, schedule, step_of(state), { times: schedule.times(state.steps), noise });
}

/** Of points: the share between -0.5 and 0.5, and the share in the wrong place, half the area between their histogram
 * and the true density. */
export function measure(x_0) {
  const [, heights] = histogram(x_0, -LIMIT, LIMIT, BINS);
  const within = x_0.filter((x) => Math.abs(x) < LIMIT).length / x_0.length;
  const area = heights.reduce((sum, height, i) => sum + Math.abs(height - TRUE_HEIGHTS[i]), 0) * BIN + 1 - within;
  return { middle: x_0.filter((x) => Math.abs(x) < 0.5).length / x_0.length, misplaced: area / 2 };
}

/** The root of the mean square distance. */
export function typical_distance(x, y) {
  return Math.sqrt(x.reduce((sum, value, i) => sum + (value - y[i]) ** 2, 0) / x.length);
}

const calls = (steps) => (steps === 1 ? "1 call" : `${steps} calls`);

export const paths = {
  name: "paths",
  title: "Paths in few steps",
  hint: "Change the number of steps, or drag a start. Where the green path turns, a long step goes straight on.",
  fields: {
    ...sampler_fields({ label: "steps, each one call of the denoiser", max: T, initial: 5, log: true }),
    starts: numbers({
      label: "starts",
      min: -2.4,
      max: 2.4,
      initial: [-2, -1.05, -0.1, 0.85, 1.8],
      least: 5,
      most: 5,
      places: 2,
    }),
    seed: number({ label: "seed", min: 1, max: 999, initial: 1, hidden: true }),
  },
  actions: {
    more: {
      label: "More and more steps",
      run(figure) {
        if (figure.state.steps >= COUNTS.at(-1)) figure.set({ steps: 1 });
        let wait = 0;
        return (seconds) => {
          wait -= seconds;
          if (wait > 0) return true;
          wait = 0.7;
          figure.set({ steps: COUNTS.find((each) => each > figure.state.steps) ?? figure.state.steps });
          return figure.state.steps < COUNTS.at(-1);
        };
      },
    },
    noise: { label: "Other noise", run: (figure) => figure.set({ seed: (figure.state.seed % 999) + 1 }) },
  },
  build(figure) {
    const surface = figure.canvas(
      "Paths from noise, at t = 1000 on the left, to clean points, at t = 0 on the right: " +
        "the true ones and the sampler's. Beside them, where a thousand of the sampler's paths end.",
      1,
      { most: 380 },
    );
    const plots = () => {
      const split = Math.round(0.26 * surface.width) + 20;
      const panel = { left: surface.width - split + 20, right: 4, top: 26 };
      return [
        figure.part_plot(surface, [T, 0], [-LIMIT, LIMIT], { left: 46, right: split, top: 26 }),
        figure.part_plot(surface, [0, HIGHEST], [-LIMIT, LIMIT], panel),
      ];
    };
    let [plot, panel] = plots();
    const shade = shading();
    const shown = { few: {}, many: {} };

    /** Bring what is shown up to the state, the ends of the many for `milliseconds` at most; true when all is there. */
    const update = (milliseconds) => {
      const { sampler, steps, eta, starts, seed } = figure.state;
      const { few, many } = shown;
      const sampled = [sampler, steps, sampler === "ddpm" || eta, seed].join();
      if (few.starts !== starts) few.truth = [...true_walk(Float64Array.from(starts))];
      if (few.starts !== starts || few.sampled !== sampled) {
        few.states = [...sampler_walk(Float64Array.from(starts), figure.state, new Random(seed))];
      }
      Object.assign(few, { starts, sampled });
      if (many.seed !== seed) {
        many.x_T = new Random(T + seed).normals(MANY);
        many.truth = new Pieces(true_walk(many.x_T));
      }
      if (many.sampled !== sampled) {
        many.walk = new Pieces(sampler_walk(many.x_T, figure.state, new Random(2 * T + seed)));
      }
      Object.assign(many, { seed, sampled });
      const until = performance.now() + milliseconds;
      if (many.walk.go(until)) many.x_0 = many.walk.last;
      return many.walk.done && many.truth.go(until);
    };
    const numbers_shown = () => {
      update(Infinity);
      const { few, many } = shown;
      const times = schedule.times(figure.state.steps);
      const error = adds_noise(figure.state) ? null : typical_distance(many.x_0, many.truth.last);
      const ends = { x_T: many.x_T, x_0: many.x_0, ...measure(many.x_0), error, true_ones: measure(many.truth.last) };
      return { times, states: few.states, truth: few.truth, ...ends };
    };
    const handles = paths.fields.starts.initial.map((_, i) =>
      figure.handle(surface, {
        label: `start ${i + 1}`,
        axis: "y",
        color: "ink",
        plot: () => plot,
        get: () => [T, figure.state.starts[i]],
        set: (_, x_T) => {
          const starts = figure.state.starts.with(i, x_T);
          figure.set({ starts: figure.fields.starts.read(starts) });
        },
        words() {
          update(0);
          const [end, truth] = [shown.few.states, shown.few.truth].map((states) => states.at(-1)[i].toFixed(2));
          return `${figure.state.starts[i]}, ends at ${end}, its true path at ${truth}`;
        },
        min: -2.4,
        max: 2.4,
        step: 0.05,
      }),
    );
    const say = () => {
      const { steps } = figure.state;
      const { middle, misplaced, error, true_ones } = numbers_shown();
      // The true paths themselves, in T steps, are good to about 0.001.
      const off = error < 0.001 ? "less than 0.001" : error?.toFixed(3);
      const percent = (share, digits) => `${(100 * share).toFixed(digits)} %`;
      figure.say(
        `${calls(steps)} of the denoiser. Of 1,000 ends, ${percent(middle, 1)} lie between −0.5 and 0.5 (of the ` +
          `true ones ${percent(true_ones.middle, 1)}). Half the area between histogram and truth is ` +
          `${percent(misplaced, 0)} (with the true ones, by chance, ${percent(true_ones.misplaced, 0)}).` +
          (error === null
            ? " With fresh noise, a start does not decide where its path ends."
            : ` Typically an end lies ${off} from its true one.`),
      );
    };
    return {
      numbers: numbers_shown,
      python() {
        const { sampler, steps, eta, starts, seed } = figure.state;
        const step = `${sampler}(${sampler === "ddpm" || eta === 0 ? "" : eta})`;
        const fresh = adds_noise(figure.state);
        const names = [...new Set(["ddim", sampler])].join(", ");
        const own = [
          "",
          "def step(noise):",
          `    """${SHORT[sampler]} with this page's noise in place of PyTorch's."""`,
          "    def one(now, to):",
          `        mean, std = ${step}(now, to)`,
          "        return mean + std * noise.normals(*mean.shape), 0.0",
          "    return one",
          "",
        ];
        const by = (random) => (fresh ? `step(Random(${random}))` : step);
        return [
          "import torch",
          "",
          `from diffusion_lab import ExactDenoiser, NoiseSchedule, ${names}, sample, walk`,
          "from diffusion_lab.live.random import Random",
          "",
          `schedule = NoiseSchedule.cosine(T=${T})`,
          "world = ExactDenoiser.mixture([[-1.0], [1.0]], [0.25, 0.25], [0.5, 0.5], schedule)",
          ...(fresh ? own : []),
          `starts = torch.tensor([${starts.map((x) => `[${x}]`).join(", ")}], dtype=torch.float64)`,
          `states = list(walk(world, starts, schedule, ${by(seed)}, steps=${steps}))`,
          `truth = list(walk(world, starts, schedule, ddim(), steps=${T}))`,
          "",
          `x_T = Random(${T + seed}).normals(${MANY}, 1)  # a thousand others`,
          `x_0 = sample(world, x_T, schedule, ${by(2 * T + seed)}, steps=${steps})`,
          "middle = (x_0.abs() < 0.5).double().mean()",
          ...(fresh
            ? []
            : [
                `true_ones = sample(world, x_T, schedule, ddim(), steps=${T})`,
                "error = (x_0 - true_ones).square().mean().sqrt()",
              ]),
        ].join("\n");
      },
      draw() {
        const done = update(12);
        const [model, truth, muted] = ["model", "truth", "muted"].map((each) => figure.color(each));
        const { few, many } = shown;
        const { steps, eta, sampler } = figure.state;
        surface.context.clearRect(0, 0, surface.width, surface.height);
        [plot, panel] = plots();
        shade(plot, truth);
        plot.x_axis(muted, { name: "t", count: plot.box.width < 300 ? 2 : 5 });
        for (const [i, x] of ["−2", "−1", "0", "1", "2"].entries()) {
          plot.text(x, T, i - 2, muted, { align: "right", dx: -14 }); // the starts stand on the axis
        }
        plot.text("xₜ", T, LIMIT, muted, { align: "right", dx: -14, dy: -14, size: 16 });
        const every = schedule.times();
        const stops = schedule.times(steps);
        surface.context.save();
        surface.context.beginPath();
        surface.context.rect(0, plot.box.top, surface.width, plot.box.height);
        surface.context.clip();
        const path = (states, i) => states.map((x_t) => x_t[i]);
        for (const i of few.starts.keys()) plot.curve(every, path(few.truth, i), truth, { width: 1.5 });
        for (const i of few.starts.keys()) {
          plot.curve(stops, path(few.states, i), model, { width: 1.5 });
          const dots = steps <= 50 ? stops.flatMap((t, k) => [t, few.states[k][i]]) : [];
          plot.dots(dots, model, { radius: 3.5, alpha: 1 });
        }
        surface.context.restore();
        if (many.x_0) {
          const [edges, heights] = histogram(many.x_0, -LIMIT, LIMIT, BINS);
          panel.bars_across(edges, heights, model);
        }
        panel.curve(TRUE_DENSITY, fine, truth, { width: 2 });
        panel.line(0, -LIMIT, 0, LIMIT, muted);
        panel.text("1,000 ends", HIGHEST / 2, -LIMIT, muted, { dy: 14 });
        const name = SHORT[sampler] + (sampler !== "ddpm" && eta > 0 ? `, η ${eta}` : "");
        plot.text("true paths", T, LIMIT, figure.color("truth-text"), { align: "left", dy: -14 });
        plot.text(`${name}, ${calls(steps)}`, T, LIMIT, figure.color("model-text"), { align: "left", dx: 78, dy: -14 });
        for (const handle of handles) handle.place();
        if (done) say();
        else figure.stale = true; // the rest in the next frame
      },
    };
  },
};

/** A function that paints where the noised world is, darker where it is dense, on a plot. */
function shading() {
  const [columns, rows] = [101, 121];
  const image = document.createElement("canvas");
  Object.assign(image, { width: columns, height: rows });
  const context = image.getContext("2d");
  const pixels = context.createImageData(columns, rows);
  const x_t = linspace(LIMIT, -LIMIT, rows);
  for (let i = 0; i < columns; i++) {
    const density = world.log_prob(x_t, T - (i * T) / (columns - 1)).map(Math.exp);
    density.forEach((each, j) => (pixels.data[4 * (j * columns + i) + 3] = 90 * Math.sqrt(each)));
  }
  return ({ context: to, box }, color) => {
    context.putImageData(pixels, 0, 0);
    Object.assign(context, { globalCompositeOperation: "source-in", fillStyle: color });
    context.fillRect(0, 0, columns, rows);
    context.globalCompositeOperation = "source-over";
    to.drawImage(image, box.left, box.top, box.width, box.height);
  };
}
