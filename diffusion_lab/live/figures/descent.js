// Going downhill: the loss of a line through fifty examples, and the nudges of one learning rate.

import { bowl, descend, examples, loss_at, slope_at } from "../downhill.js";
import { choice, make, number } from "../fields.js";
import { linspace } from "../schedule.js";
import { EXAMPLES } from "../weights/examples.js";
import { fixed, short } from "../words.js";

const LONG = 30; // nudges in the chapter

export const descent = {
  name: "descent",
  title: "Downhill, nudge by nudge",
  hint: "Try a learning rate of 0.001, of 0.8, of 0.9. Drag the start. Then give the line a second weight.",
  fields: {
    lr: number({ label: "learning rate", min: 0.001, max: 2, step: 0.001, initial: 0.1, log: true }),
    n: number({ label: "nudges", min: 0, max: 60, initial: LONG }),
    loss: choice({
      label: "the function that learns",
      options: { one: "f(x) = w x", two: "f(x) = w x + b" },
      initial: "one",
      open: true,
    }),
    w: number({ label: "w at the start", min: -1.5, max: 5, step: 0.05, initial: -1, hidden: true }),
    b: number({ label: "b at the start", min: -8, max: 1, step: 0.05, initial: 0, hidden: true }),
  },
  actions: {
    play: {
      label: "Play",
      run(figure) {
        if (figure.state.n >= LONG) figure.set({ n: 0 });
        let due = 0;
        return (seconds) => {
          due += 5 * seconds;
          if (due >= 1) {
            due -= 1;
            figure.set({ n: figure.state.n + 1 });
          }
          return figure.state.n < LONG;
        };
      },
    },
    nudge: { label: "One nudge", run: (figure) => figure.set({ n: Math.min(60, figure.state.n + 1) }) },
  },
  build(figure) {
    const [pair, beside] = [make("div", { class: "live-pair" }), make("div")];
    figure.stage.append(pair);
    const hill = figure.canvas("The loss, and the weights going down from nudge to nudge", 0.75, {
      most: 300,
      parent: pair,
    });
    pair.append(beside);
    const fit = figure.canvas("The examples, and the line at the start and now", 0.72, { most: 300, parent: beside });
    const formula = make("p", { class: "live-formula" });
    beside.append(formula);
    const both = () => figure.state.loss === "two";
    let plot = hill_plot(figure, hill);

    const numbers = () => {
      const { w, b, lr, n, loss } = figure.state;
      const data = examples(loss);
      const path = descend(both() ? [w, b] : [w], lr, n, data);
      const { bends } = bowl(data, both());
      return {
        path,
        loss: loss_at(path.at(-1), data),
        slope: slope_at(path.at(-1), data),
        kept: bends.map((bend) => 1 - lr * bend), // of the way to the lowest point, by one nudge
      };
    };
    const handles = ["x", "xy"].map((axis) =>
      figure.handle(hill, {
        label: "start",
        axis,
        color: "model",
        plot: () => plot,
        get: () => (both() ? [figure.state.w, figure.state.b] : [figure.state.w, loss_at([figure.state.w], EXAMPLES)]),
        set: (w, b) => {
          const { fields } = figure;
          figure.set(axis === "x" ? { w: fields.w.read(w) } : { w: fields.w.read(w), b: fields.b.read(b) });
        },
        words: () => (both() ? `w = ${figure.state.w}, b = ${figure.state.b}` : `w = ${figure.state.w}`),
        min: -1.5,
        max: 5,
        step: 0.05,
      }),
    );

    return {
      numbers,
      python: () => python(figure.state),
      draw() {
        const data = examples(figure.state.loss);
        const shown = numbers();
        plot = hill_plot(figure, hill);
        if (both()) draw_valley(figure, plot, bowl(data, true));
        else draw_bowl(figure, plot, shown, data);
        draw_path(figure, plot, shown.path, data);
        draw_fit(figure, fit, shown.path, data);
        handles.forEach(({ element, place }, i) => {
          element.hidden = both() !== (i === 1);
          place();
        });
        formula.textContent = rule(shown.path, figure.state.lr, data);
        if (!figure.running) figure.say(words(shown, figure.state.n));
      },
    };
  },
};

/** Axes for the loss over w, wide enough for two nudges; or for w and b, one as long on the page as the other. */
function hill_plot(figure, surface) {
  const { loss, w, lr } = figure.state;
  const margins = { left: 38, right: 12, top: 18, bottom: 40 };
  if (loss === "one") {
    const ws = descend([w], lr, 2, EXAMPLES).flat();
    const seen = [-1.6, 5.2, ...ws.map((each) => 1.05 * each)];
    const [low, high] = [Math.min(...seen), Math.max(...seen)];
    const most = Math.max(...seen.map((each) => loss_at([each], EXAMPLES)));
    return figure.plot(surface, [low, high], [0, most], margins);
  }
  const half = (5 * (surface.width - 50)) / Math.max(1, surface.height - 58);
  return figure.plot(surface, [1.5 - half, 1.5 + half], [-8.5, 1.5], margins);
}

function axes(figure, plot, x_name, y_name) {
  const muted = figure.color("muted");
  const format = (value) => String(value).replace("-", "−");
  plot.x_axis(muted, { name: x_name, count: 5, format });
  plot.y_axis(muted, { count: 5, format });
  plot.text(y_name, plot.low[0], plot.high[1], muted, { align: "left", dy: -8 });
}

function draw_bowl(figure, plot, { path, slope }, data) {
  const ws = linspace(plot.low[0], plot.high[0], 150);
  axes(figure, plot, "weight w", "loss L");
  const { lowest } = bowl(data, false);
  plot.line(lowest[0], 0, lowest[0], plot.high[1], figure.color("truth"), { dash: [4, 4] });
  within(plot, () => {
    plot.curve(
      ws,
      ws.map((w) => loss_at([w], data)),
      figure.color("ink"),
      { alpha: 0.6 },
    );
    const [[w], L] = [path.at(-1), loss_at(path.at(-1), data)];
    const far = (plot.high[0] - plot.low[0]) / 9;
    plot.line(w - far, L - far * slope[0], w + far, L + far * slope[0], figure.color("ink"), { dash: [4, 3] });
  });
}

/** Lines of equal loss about the lowest point, each four times as high above it as the one inside. */
function draw_valley(figure, plot, { matrix: [ww, wb, bb], lowest: [w, b] }) {
  axes(figure, plot, "weight w", "offset b");
  const angles = linspace(0, 2 * Math.PI, 120);
  const short_side = Math.sqrt(bb - wb ** 2 / ww);
  within(plot, () => {
    for (const level of [0.1, 0.4, 1.6, 6.4, 25.6, 102.4]) {
      const r = Math.sqrt(2 * level);
      const bs = angles.map((angle) => (r * Math.sin(angle)) / short_side);
      const ws = angles.map((angle, i) => (r * Math.cos(angle)) / Math.sqrt(ww) - (wb / ww) * bs[i]);
      plot.curve(
        ws.map((each) => w + each),
        bs.map((each) => b + each),
        figure.color("ink"),
        { width: 1, alpha: 0.5 },
      );
    }
    plot.dots([w, b], figure.color("truth"), { radius: 5, alpha: 1 });
  });
}

function draw_path(figure, plot, path, data) {
  const far = path.findIndex((weights) => weights.some((weight) => Math.abs(weight) > 1000));
  const seen = far < 0 ? path : path.slice(0, far + 1); // what is beyond is nowhere near the picture
  const ws = seen.map(([w]) => w);
  const heights = seen.map((weights) => weights[1] ?? loss_at(weights, data));
  within(plot, () => {
    const color = figure.color("model");
    plot.curve(ws, heights, color, { width: 1.5, alpha: 0.8 });
    plot.dots(
      ws.flatMap((w, i) => [w, heights[i]]),
      color,
      { radius: 3, alpha: 1 },
    );
    if (far < 0) plot.dots([ws.at(-1), heights.at(-1)], color, { radius: 6, alpha: 1 });
  });
}

function draw_fit(figure, surface, path, data) {
  const [low, high] = [Math.min(...data.x) - 0.3, Math.max(...data.x) + 0.3];
  const plot = figure.plot(surface, [low, high], [-6.5, 6.5], { left: 28, right: 8, top: 18, bottom: 40 });
  axes(figure, plot, "x", "y");
  plot.dots(
    data.x.flatMap((x, i) => [x, data.y[i]]),
    figure.color("data"),
    { radius: 3 },
  );
  within(plot, () => {
    const line = ([w, b = 0], options) =>
      plot.line(low, w * low + b, high, w * high + b, figure.color("model"), { width: 2, ...options });
    line(path[0], { dash: [2, 4] });
    if (Math.abs(path.at(-1)[0]) < 1e6) line(path.at(-1));
  });
}

/** Draw, and keep what is drawn inside the axes. */
function within({ context, box }, draw) {
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
  draw();
  context.restore();
}

/** The last nudge in numbers. */
function rule(path, lr, data) {
  const now = path.at(-1);
  const before = path.at(-2);
  const slope = slope_at(before ?? now, data);
  return now
    .map((weight, k) => {
      const name = "wb"[k];
      if (!before) return `${name} = ${fixed(weight, 2)}, slope ${fixed(slope[k], 2)}`;
      return `${name} = ${fixed(before[k], 2)} − ${lr} · (${fixed(slope[k], 2)}) = ${fixed(weight, 2)}`;
    })
    .join("\n");
}

function words({ loss, kept }, n) {
  const way = (share) => {
    const percent = `${(100 * Math.abs(share)).toFixed(Math.abs(share) > 0.99 ? 1 : 0)} %`;
    if (share >= 0) return `each nudge leaves ${percent} of the way to the lowest point`;
    if (share > -1) return `each nudge jumps over the lowest point and leaves ${percent} of the way`;
    return "each nudge jumps over the lowest point and lands farther away: the loss grows without end";
  };
  const ways = kept.length === 1 ? way(kept[0]) : `along the valley ${way(kept[0])}; across it, ${way(kept[1])}`;
  return `After ${n} nudge${n === 1 ? "" : "s"} the loss is ${short(loss)}. ${ways[0].toUpperCase()}${ways.slice(1)}.`;
}

function python({ loss, lr, n, w, b }) {
  const data = [
    "import torch",
    "",
    "g = torch.Generator().manual_seed(3)",
    "torch.rand(2, 1000, generator=g)  # drawn before, in the chapter",
    "x = torch.randn(50, generator=g).double()",
    "y = 2 * x + 0.5 * torch.randn(50, generator=g)",
  ];
  const one = [
    `w, path = ${w}, [${w}]`,
    `for _ in range(${n}):`,
    "    guess = w * x  # 1. guess",
    "    error = guess - y  # 2. compare",
    "    slope = (2 * x * error).mean().item()",
    `    w = w - ${lr} * slope  # 3. nudge: against the slope`,
    "    path.append(w)  # 4. repeat",
    "print(w, ((w * x - y) ** 2).mean().item())",
  ];
  const two = [
    "x = x + 2  # all to the right: w and b pull at the same rope",
    `w, b, path = ${w}, ${b}, [(${w}, ${b})]`,
    `for _ in range(${n}):`,
    "    guess = w * x + b",
    "    error = guess - y",
    "    slope_w, slope_b = (2 * x * error).mean().item(), (2 * error).mean().item()",
    `    w, b = w - ${lr} * slope_w, b - ${lr} * slope_b`,
    "    path.append((w, b))",
    "print(w, b, ((w * x + b - y) ** 2).mean().item())",
  ];
  return [...data, "", ...(loss === "two" ? two : one)].join("\n");
}
