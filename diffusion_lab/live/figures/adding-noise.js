// Adding noise: a digit on its way to noise under a schedule of the reader's, and what is left of it at the end.

import { make_schedule, schedule_code, schedule_fields } from "../any_schedule.js";
import { choice, make, number, numbers } from "../fields.js";
import { digits } from "../datasets.js";
import { add_noise } from "../noising.js";
import { PIXELS, SIDE, drawing_of, runs_of, watch_pad } from "../pad.js";
import { draw_picture } from "../picture.js";
import { Random } from "../random.js";
import { short } from "../words.js";

const READY = digits();
const SHOWN = { low: -2, high: 2 }; // as in the chapter: noise reaches beyond -1 and 1
/** The chapter's rule: for one number 0.001 of signal is little enough, for pixels that may agree, that by how many. */
const ONE_NUMBER = 1e-3;

export const adding_noise = {
  name: "adding-noise",
  title: "A digit goes under",
  hint: "DDPM's betas in 300 steps instead of 1,000: is the 8 still in the third picture? Change T. Draw a digit.",
  fields: {
    ...schedule_fields({ kind: "linear" }),
    digit: choice({ label: "digit", options: { ...Object.keys(READY), own: "my own: draw on x₀" }, initial: "8" }),
    t: number({ label: "time, t", min: 0, max: 1000, initial: 150, most: ({ T }) => T }),
    seed: number({ label: "noise", min: 1, max: 9999, initial: 2, hidden: true }),
    drawn: numbers({ label: "drawing", min: 0, max: PIXELS, initial: [PIXELS], most: PIXELS + 1, places: 0 }),
  },
  actions: {
    play: {
      label: "Play",
      run(figure) {
        if (figure.state.t === figure.state.T) figure.set({ t: 0 });
        let due = 0;
        return (seconds) => {
          const { t, T } = figure.state;
          due += (seconds * T) / 6;
          const whole = Math.floor(due);
          due -= whole;
          figure.set({ t: t + whole });
          return t + whole < T;
        };
      },
    },
    noise: { label: "Other noise", run: (figure) => figure.set({ seed: (figure.state.seed % 9999) + 1 }) },
    clear: {
      label: "Clear x₀",
      run: (figure) => figure.set({ drawn: [PIXELS] }),
      when: ({ digit }) => digit === "own",
    },
  },
  build(figure) {
    const row = make("div", { class: "live-pictures" });
    figure.stage.append(row);
    const pictures = [
      ["data", "x₀, the digit. Draw on it by mouse or finger; by keyboard, choose a ready one"],
      ["noise", "x at time t"],
      ["noise", "x at the last step, T"],
      ["noise", "pure noise"],
    ].map(([color, label]) => {
      const parent = make("div", { class: "live-picture" });
      parent.style.setProperty("--frame", `var(--live-${color})`);
      row.append(parent);
      const surface = figure.canvas(label, 1, { parent });
      const caption = make("p");
      parent.append(caption);
      return { surface, caption };
    });
    const surface = figure.canvas("The share of signal, alpha-bar, over time, and the digit at nine times", 0.76, {
      most: 318,
    });
    let plot = figure.plot(surface, [0, 1], [0, 1]);

    const x_0 = () => (figure.state.digit === "own" ? drawing_of(figure.state.drawn) : READY[figure.state.digit]);
    const numbers = (schedule = make_schedule(figure.state)) => {
      const { t, T, seed } = figure.state;
      const [clean, eps] = [x_0(), new Random(seed).normals(PIXELS)];
      return {
        x_0: clean,
        eps,
        x_t: add_noise(clean, t, eps, schedule),
        x_T: add_noise(clean, T, eps, schedule),
        alpha_bar: schedule.alpha_bar,
        signal_left: schedule.signal_left,
        total: schedule.beta.reduce((sum, beta) => sum + beta),
      };
    };

    const handle = figure.handle(surface, {
      label: "time t, on the curve",
      plot: () => plot,
      get: () => [figure.state.t, make_schedule(figure.state).alpha_bar[figure.state.t]],
      set: (t) => figure.set({ t: figure.fields.t.read(t) }),
      words: () => `t = ${figure.state.t}`,
      min: 0,
      max: 1000,
      step: 1,
    });
    watch_pad(figure, pictures[0].surface.element);

    return {
      numbers,
      python: () => python(figure.state),
      draw() {
        const { digit, t, T } = figure.state;
        const schedule = make_schedule(figure.state);
        const shown = numbers(schedule);
        const { alpha_bar, eps } = shown;
        [shown.x_0, shown.x_t, shown.x_T, eps].forEach((x, i) => {
          const { context, width } = pictures[i].surface;
          draw_picture(context, x, 0, 0, width, SHOWN);
        });
        const mixed = (at) => `${short(Math.sqrt(alpha_bar[at]))} x₀ + ${Math.sqrt(1 - alpha_bar[at]).toFixed(2)} ε`;
        const empty = digit === "own" && !shown.x_0.includes(1);
        const captions = [
          `t = 0\nx₀${empty ? ": draw here" : ""}`,
          `t = ${t}\n${mixed(t)}`,
          `t = T = ${T}\n${mixed(T)}`,
          "noise alone\nε",
        ];
        captions.forEach((words, i) => (pictures[i].caption.textContent = words));
        pictures[0].surface.element.style.touchAction = digit === "own" ? "none" : "auto";

        const thumb = Math.min(72, (surface.width - 54) / 8 - 2);
        const sides = { left: Math.max(34, thumb / 2 + 4), right: Math.max(16, thumb / 2 + 1) };
        plot = figure.plot(surface, [0, T], [0, 1], { ...sides, top: 24, bottom: thumb + 34 });
        const ts = Array.from(alpha_bar.keys());
        plot.curve(ts, alpha_bar, figure.color("data"), { fill: true, width: 0.01 });
        // What is not signal is noise, and hangs from the ceiling: the same plot upside down.
        const { top, height } = plot.box;
        const upside_down = { ...sides, top: top + height, bottom: surface.height - top };
        const ceiling = figure.part_plot(surface, [0, T], [0, 1], upside_down);
        ceiling.curve(
          ts,
          alpha_bar.map((share) => 1 - share),
          figure.color("noise"),
          { fill: true, width: 0.01 },
        );
        plot.curve(ts, alpha_bar, figure.color("data"));
        plot.x_axis(figure.color("muted"), { count: Math.min(T, surface.width < 420 ? 4 : 8) });
        plot.y_axis(figure.color("muted"), { count: 2 });
        plot.text("signal, ᾱ", 0, 1, figure.color("data-text"), { align: "left", dy: -12 });
        plot.text("noise, 1 − ᾱ", T, 1, figure.color("noise-text"), { align: "right", dy: -12 });
        plot.line(t, 0, t, alpha_bar[t], figure.color("ink"), { dash: [3, 3] });
        for (const at of new Set(Array.from({ length: 9 }, (_, k) => Math.floor((T * k) / 8)))) {
          const x = add_noise(shown.x_0, at, eps, schedule);
          draw_picture(surface.context, x, plot.x(at) - thumb / 2, surface.height - thumb - 2, thumb, SHOWN);
        }
        handle.place();
        handle.element.setAttribute("aria-valuemax", T);
        if (!figure.running) figure.say(words(shown, figure.state, empty));
      },
    };
  },
};

/** What is left, and whether it is little enough. */
function words({ alpha_bar, signal_left, total }, { t, T, kind }, empty) {
  const sum = `the betas add up to ${short(total)}, so in the head ${short(Math.exp(-total))}`;
  const rule = `${short(ONE_NUMBER / PIXELS)} for ${PIXELS} pixels`;
  const verdict =
    signal_left <= ONE_NUMBER / PIXELS
      ? `Close enough to nothing: the rule is ${rule}.`
      : signal_left <= ONE_NUMBER
        ? `Little enough for a single number, not quite for a picture: the rule is ${rule}.`
        : `Too much: the rule is ${ONE_NUMBER} for a single number and ${rule}.`;
  return [
    empty ? "x₀ is empty: draw on it." : "",
    `At t = ${t} signal is ᾱ = ${short(alpha_bar[t])} of the variance.`,
    `At T = ${T} it is ${short(signal_left)}${kind === "cosine" ? "" : ` (${sum})`}.`,
    verdict,
  ].join(" ");
}

function python({ digit, drawn, kind, T, end, t, seed }) {
  const runs = runs_of(drawing_of(drawn));
  const lines = [];
  for (let i = 0; i < runs.length; i += 16) lines.push(runs.slice(i, i + 16).join(", "));
  const x_0 =
    digit === "own"
      ? [
          "# So many black pixels, so many white ones, and so on, row after row.",
          `runs = torch.tensor([\n    ${lines.join(",\n    ")}\n])`,
          "colors = torch.tensor([-1.0, 1.0]).repeat(len(runs))[: len(runs)]",
          `x_0 = colors.repeat_interleave(runs).view(1, 1, ${SIDE}, ${SIDE})`,
        ]
      : ["images, labels = datasets.digits()", `x_0 = images[labels == ${digit}][:1]`];
  return [
    "import torch",
    "",
    `from diffusion_lab import NoiseSchedule, add_noise${digit === "own" ? "" : ", datasets"}`,
    "",
    ...x_0,
    `schedule = ${schedule_code({ kind, T, end })}`,
    "# Another draw than in the pictures: every program has its own noise.",
    `eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(${seed}))`,
    "",
    `x_t = add_noise(x_0, ${t}, eps, schedule)`,
    "x_T = add_noise(x_0, schedule.T, eps, schedule)",
    `print(schedule.alpha_bar[${t}].item(), schedule.signal_left)`,
  ].join("\n");
}
