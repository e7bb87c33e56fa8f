// The number 8: data on a line, what noise makes of them, where a noisy number came from, and the way back.

import { make_schedule, schedule_code, schedule_fields } from "../any_schedule.js";
import { Crowd } from "../crowd.js";
import { choice, number, numbers } from "../fields.js";
import { HIGH, LOW, draw_back, draw_data, draw_look, layout, percent } from "../line_drawing.js";
import { WEIGHT, cells, count_between, data_of, denoiser_of, shares_between } from "../on_a_line.js";
import { ddim, ddpm } from "../steps.js";
import { fixed } from "../words.js";

const [LEAST, MOST] = [-3, 10]; // of a data point
const [FEWEST, MANY] = [1, 6]; // data points
const N = 2000;
const PIECE = 12; // milliseconds of computing in a frame
const SECONDS = 5;
const MODES = { look: "Look", back: "Go back" };
const SAMPLERS = { ddpm: ddpm(), ddim: ddim() };

const look = ({ mode }) => mode === "look";
const back = ({ mode }) => mode === "back";
const tidy = (value) => Math.round(20 * value) / 20;

export const line = {
  name: "line",
  title: "Numbers on a line",
  hint:
    "Drag the pink dot, a noisy number: the broader a green band, the likelier it came from there. Drag the blue " +
    "data, too, and change t.",
  fields: {
    mode: choice({ label: "what to see", options: MODES, initial: "look", open: true, above: true }),
    t: number({ label: "time, t", min: 1, max: 1000, initial: 200, most: ({ T }) => T, when: look }),
    width: number({ label: "width of each", min: 0, max: 1.5, step: 0.05, initial: 0, when: look }),
    now: number({ label: "time, t", min: 0, max: 1000, initial: 0, most: ({ T }) => T, when: back }),
    steps: number({ label: "steps", min: 1, max: 1000, initial: 300, log: true, most: ({ T }) => T, when: back }),
    sampler: choice({ label: "sampler", options: { ddpm: "DDPM", ddim: "DDIM" }, initial: "ddpm", when: back }),
    ...schedule_fields({ fold: "The schedule" }),
    x_t: number({ label: "noisy number", min: LOW, max: HIGH, step: 0.01, initial: 2.5, hidden: true }),
    means: numbers({ label: "data", min: LEAST, max: MOST, initial: [2, 5, 8], least: FEWEST, most: MANY }),
    weights: numbers({ label: "weights", min: 0.05, max: 1, initial: [0.3, 0.2, 0.5], least: FEWEST, most: MANY }),
    seed: number({ label: "noise", min: 1, max: 9999, initial: 1, hidden: true }),
  },
  actions: {
    go: { label: "Play", run: (figure) => figure.part.film(), when: back },
    noise: { label: "Other noise", run: renew, when: back },
    add: { label: "Add a number", run: add, when: (state) => look(state) && state.means.length < MANY },
    take: { label: "Take one away", run: take, when: (state) => look(state) && state.means.length > FEWEST },
  },
  build(figure) {
    const tall = (width) => (width < 480 ? 1.25 : 0.66);
    const surface = figure.canvas("Noisy numbers above, the data they came from below", tall, { most: 480 });
    let crowd = null;
    let filmed = figure.state.now;
    let plots = layout(figure, surface);

    const x_t = figure.handle(surface, {
      label: "noisy number, x_t",
      color: "noise",
      plot: () => plots.above,
      get: () => [figure.state.x_t, 0],
      set: (x) => figure.set({ x_t: figure.fields.x_t.read(x) }),
      words: () => `x_t = ${figure.state.x_t}`,
      min: LOW,
      max: HIGH,
      step: 0.05,
    });
    const points = Array.from({ length: MANY }, (_, k) =>
      figure.handle(surface, {
        label: `number ${k + 1} of the data: sideways its value, up and down its weight`,
        axis: "xy",
        color: "data",
        plot: () => plots.data,
        get: () => [figure.state.means[k] ?? 0, data_of(figure.state).weights[k] ?? 0],
        set(x, y) {
          const { means, weights } = data_of(figure.state);
          figure.set({
            means: figure.fields.means.read(means.with(k, tidy(x))),
            weights: figure.fields.weights.read(weights.with(k, tidy(y))),
          });
        },
        words: () => `${figure.state.means[k]}, weight ${data_of(figure.state).weights[k]}`,
        min: LEAST,
        max: MOST,
        step: 0.05,
      }),
    );

    const numbers = () => {
      const { t, x_t } = figure.state;
      const denoiser = denoiser_of(figure.state);
      const at = Float64Array.of(x_t);
      const [shares, [best_guess], [log_prob]] = ["shares", "x_0", "log_prob"].map((name) => denoiser[name](at, t));
      return { shares: Array.from(shares), best_guess, density: Math.exp(log_prob), weights: denoiser.weights };
    };
    const walkers = () => {
      const { steps, sampler, seed } = figure.state;
      const denoiser = denoiser_of(figure.state);
      return (crowd ??= new Crowd(denoiser, denoiser.path, SAMPLERS[sampler], { n: N, dim: 1, steps, seed }));
    };
    const step_now = () => walkers().times.findLastIndex((t) => t >= figure.state.now);
    const arrived = () => {
      const [values, edges] = cells(figure.state.means);
      const state = crowd.states[step_now()];
      return { values, made: count_between(edges, state), truth: shares_between(edges, denoiser_of(figure.state), 0) };
    };

    return {
      numbers() {
        if (look(figure.state)) return numbers();
        walkers().go();
        const { values, made, truth } = arrived();
        const x_t = Array.from(crowd.states[step_now()]);
        return { x_T: Array.from(crowd.states[0]), x_t, values, made: Array.from(made), truth: Array.from(truth) };
      },
      python: () => python(figure.state),
      changed(before) {
        const made_of = ["means", "weights", "width", "kind", "T", "end", "steps", "sampler", "seed"];
        const other = made_of.some((name) => String(before[name]) !== String(figure.state[name]));
        if (other) crowd = null;
        if (other || figure.state.now !== filmed || before.mode !== figure.state.mode) figure.stop();
        filmed = figure.state.now;
      },
      film() {
        const { times } = walkers();
        const steps = times.length - 1;
        if (figure.state.now === 0) figure.set({ now: times[0] });
        figure.say(`${walking(figure.state)}: on their way.`);
        let gone = step_now() / steps;
        return (seconds) => {
          gone = Math.min(1, gone + seconds / Math.min(SECONDS, 0.5 + 0.5 * steps));
          filmed = times[Math.floor(gone * steps)];
          figure.set({ now: filmed });
          return gone < 1;
        };
      },
      draw() {
        plots = layout(figure, surface);
        x_t.element.hidden = back(figure.state);
        x_t.place();
        points.forEach(({ element, place }, k) => {
          element.hidden = k >= figure.state.means.length;
          place();
        });
        if (look(figure.state)) {
          surface.context.clearRect(0, 0, surface.width, surface.height);
          draw_data(figure, plots.data);
          const shown = numbers();
          draw_look(figure, plots, shown);
          figure.say(words_of_look(figure.state, shown));
          return;
        }
        walkers().go(PIECE);
        const ready = step_now() < crowd.states.length;
        if (!ready) figure.stale = true; // the rest in the next frames; until then what was there stays
        surface.context.clearRect(0, ready ? 0 : plots.data.box.top, surface.width, surface.height);
        draw_data(figure, plots.data);
        if (!ready) return;
        draw_back(figure, plots, crowd, step_now());
        if (!figure.running) figure.say(words_of_back(figure.state, crowd.times[step_now()], arrived()));
      },
    };
  },
};

function renew(figure) {
  figure.set({ seed: (figure.state.seed % 9999) + 1 });
}

/** One more number, in the middle of the widest gap. */
function add(figure) {
  const { means, weights } = data_of(figure.state);
  const sorted = [LEAST, ...means.toSorted((one, other) => one - other), MOST];
  const gaps = sorted.slice(1).map((mean, k) => mean - sorted[k]);
  const widest = gaps.indexOf(Math.max(...gaps));
  figure.set({ means: [...means, tidy(sorted[widest] + gaps[widest] / 2)], weights: [...weights, WEIGHT] });
}

function take(figure) {
  const { means, weights } = data_of(figure.state);
  figure.set({ means: means.slice(0, -1), weights: weights.slice(0, -1) });
}

function words_of_look({ t, x_t, means }, { shares, best_guess }) {
  const from = means.map((mean, k) => `${mean}: ${percent(shares[k])}`);
  const place = `At t = ${t}, where did x_t = ${fixed(x_t, 2)} come from?`;
  return `${place} ${from.join(", ")}. Best guess of x_0: ${fixed(best_guess, 2)}.`;
}

const walking = ({ steps, sampler }) =>
  `${N.toLocaleString("en")} numbers by ${sampler.toUpperCase()}, ${steps} ${steps > 1 ? "steps" : "step"}`;

function words_of_back({ now, T, ...state }, t, { values, made, truth }) {
  const by = walking(state);
  if (now > 0) return `${by}: at t = ${t} of ${T}.`;
  const each = values.map((value, k) => {
    return `${value}: ${percent(made[k], 1)} (true: ${percent(truth[k], 1)})`;
  });
  return `${by}: ${each.join(", ")}.`;
}

function python(state) {
  const { mode, t, now, x_t, steps, sampler, seed } = state;
  const { means, stds, weights } = data_of(state);
  const float = (value) => (Number.isInteger(value) ? value.toFixed(1) : String(value));
  const list = (values) => `[${values.map(float).join(", ")}]`;
  const data = [
    `schedule = ${schedule_code(state)}`,
    `values = torch.tensor(${list(means)}).view(-1, 1)`,
    `widths = torch.tensor(${list(stds)})`,
    `weights = torch.tensor(${list(weights)})`,
    "denoiser = ExactDenoiser.mixture(values, widths, weights, schedule)",
    "",
  ];
  if (mode === "look") {
    return [
      "import torch",
      "from diffusion_lab import ExactDenoiser, NoiseSchedule",
      "",
      ...data,
      `t, x_t = ${t}, torch.tensor([[${float(x_t)}]])`,
      "a, b = schedule.ab(t)",
      "bells = torch.distributions.Normal(a * values[:, 0], (a**2 * widths**2 + b**2).sqrt())",
      "probabilities = (weights.log() + bells.log_prob(x_t)).softmax(1)  # Bayes' rule",
      "best_guess = denoiser.x_0(x_t, t)",
    ].join("\n");
  }
  const times = make_schedule(state).times(steps);
  const step = times.findLastIndex((each) => each >= now);
  const options = `steps=${steps}${sampler === "ddpm" ? ", generator=g" : ""}`;
  return [
    "import torch",
    `from diffusion_lab import ExactDenoiser, NoiseSchedule, ${sampler}, live, walk`,
    "",
    ...data,
    `x_T = live.Random(${seed}).normals(${N}, 1)`,
    ...(sampler === "ddpm" ? [`g = torch.Generator().manual_seed(${seed})  # other fresh noise than here`] : []),
    `states = list(walk(denoiser, x_T, schedule, ${sampler}(), ${options}))`,
    `x_t = states[${step}]  # at t = ${times[step]}`,
  ].join("\n");
}
