// The S-curve and the perfect denoiser: two thousand points into noise and back, by a network or by a formula.

import { SAMPLERS, sampler_fields, step_of } from "../any_sampler.js";
import { N, ask, data_of, denoiser_of, python, schedule, who_answers } from "../answers.js";
import { pen, stroke } from "../clouds.js";
import { Crowd } from "../crowd.js";
import { choice, make, number, numbers, toggle } from "../fields.js";
import { add_noise, mix } from "../noising.js";
import { fixed } from "../words.js";

const LIMIT = 3; // of the plane that is seen
const [DOTS, GAP] = [100, 0.12]; // of a drawing: how many at most, how far apart
const RINGS = 100; // examples that are shown, at most
const SECONDS = 5; // from one end of time to the other
const WORK = 10; // milliseconds of a frame
const { T } = schedule;
const MORE = "Seed and arrows";
const OF_WALK = ["cloud", "drawing", "denoiser", "examples", "sampler", "eta", "seed", "steps"]; // what makes a walk

const pair = ([x, y]) => `(${fixed(x, 2)}, ${fixed(y, 2)})`;

/** Points at a time that may lie between two whole ones: there in a straight line from one to the other. */
export function noised({ x_0, eps }, t) {
  const [before, after] = [Math.floor(t), Math.ceil(t)].map((whole) => add_noise(x_0, whole, eps, schedule));
  return mix(1 - (t % 1), before, t % 1, after);
}

export const s_curve = {
  name: "s-curve",
  title: "There and back, with two thousand points",
  hint:
    "Let noise become data and stop on the way, move the pink dot to ask the denoiser about a place, " +
    "or draw a cloud of your own.",
  fields: {
    t: number({ label: "time t: 0 is data, 100 is noise", min: 0, max: T, initial: 20 }),
    cloud: choice({
      label: "cloud",
      options: { s: "S", ring: "ring", moons: "two moons", spiral: "spiral", drawn: "your own" },
      initial: "s",
    }),
    denoiser: choice({
      label: "denoiser",
      options: { network: "network, trained on the S", truth: "exact", copier: "exact, of some points" },
      initial: "network",
    }),
    examples: number({
      label: "points that it knows",
      min: 1,
      max: N,
      initial: 30,
      log: true,
      when: ({ denoiser }) => denoiser === "copier",
    }),
    ...sampler_fields({ label: "steps back, each one call of the denoiser", max: T, initial: 20 }),
    seed: number({ label: "seed of the noise", min: 0, max: 999, initial: 1, fold: MORE }),
    arrows: toggle({ label: "arrows everywhere", initial: true, fold: MORE }),
    probe: numbers({ label: "probe", min: -LIMIT, max: LIMIT, initial: [1.7, 0.3], least: 2, most: 2, places: 2 }),
    drawing: numbers({ label: "drawing", min: -2.5, max: 2.5, initial: [], most: 2 * DOTS, places: 2 }),
  },
  actions: {
    back: { label: "Noise to data", run: (figure) => figure.part.film(T, 0) },
    forth: { label: "Data to noise", run: (figure) => figure.part.film(0, T) },
    draw: { label: "Draw a cloud", run: (figure) => figure.set({ cloud: "drawn", drawing: [], t: 0 }) },
  },
  build(figure) {
    const panels = make("div", { class: "live-panels" });
    figure.stage.append(panels);
    figure.controls.prepend(figure.buttons); // on a phone, too, the film is seen while its button is
    const panel = (label) => {
      const caption = make("p", { class: "live-caption" });
      const parent = make("div", {}, [caption]);
      panels.append(parent);
      return { caption, surface: figure.canvas(label, 1, { parent }) };
    };
    const there = panel("The data, with the noise of time t");
    const back = panel("Points on their way from noise to data, and where the denoiser would move them");
    const plane = ({ surface }) => {
      const plot = figure.plot(surface, [-LIMIT, LIMIT], [-LIMIT, LIMIT], { left: 1, right: 1, top: 1, bottom: 1 });
      const edges = [-LIMIT, LIMIT, LIMIT, -LIMIT, -LIMIT];
      plot.curve(edges, [-LIMIT, -LIMIT, LIMIT, LIMIT, -LIMIT], figure.color("line"), { width: 1 });
      return plot;
    };
    there.plot = plane(there);
    back.plot = plane(back);

    let data, who, denoiser, field;
    let crowd = null;
    let old = null; // seen until the new crowd is where the old one was
    const renew = () => {
      const { seed, steps, examples } = figure.state;
      if (crowd?.reached <= figure.state.t) old = crowd;
      data = data_of(figure.state);
      who = who_answers(figure.state);
      denoiser = denoiser_of(who, data, examples);
      crowd = new Crowd(denoiser, schedule, step_of(figure.state), { n: N, dim: 2, steps, seed });
      crowd.who = who;
      field = null;
    };
    renew();

    // A film goes smoothly from time to time, `now`; the state has the nearest whole one.
    let now = figure.state.t;
    let stopped = false;
    const film = (from, to) => {
      if (!stopped) figure.set({ t: from });
      return (seconds) => {
        crowd.go(WORK);
        const t = now + (Math.sign(to - from) * T * seconds) / SECONDS;
        const next = to < from ? Math.max(t, crowd.reached) : Math.min(t, T);
        figure.set({ t: Math.round(next) });
        now = next;
        stopped = now !== to;
        return stopped;
      };
    };

    // The probe: it stays where it is put, and a mouse asks wherever it is.
    let hover = null;
    const probe = figure.handle(back.surface, {
      label: "probe, a noisy point to ask about",
      axis: "xy",
      color: "noise",
      plot: () => back.plot,
      get: () => figure.state.probe,
      set: (x, y) => figure.set({ probe: figure.fields.probe.read([x, y]) }),
      words: () => pair(figure.state.probe),
      min: -LIMIT,
      max: LIMIT,
      step: 0.1,
    });
    const place = ({ surface, plot }, event) => {
      const frame = surface.element.getBoundingClientRect();
      return plot.at(event.clientX - frame.left, event.clientY - frame.top);
    };
    const look = (at) => {
      hover = at;
      figure.stale = true;
      figure.tick();
    };
    back.surface.element.addEventListener("pointerleave", () => look(null));
    back.surface.element.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse") look(place(back, event));
    });
    back.surface.element.addEventListener("click", (event) => {
      figure.set({ probe: figure.fields.probe.read(place(back, event)) });
    });

    // The pen.
    const paper = there.surface.element;
    let pointer = null; // that draws
    let last = null; // dot
    const ink = (event) => {
      const dots = pen(last, place(there, event), GAP);
      if (dots.length === 0) return;
      last = dots.slice(-2);
      const drawing = [...figure.state.drawing, ...dots].slice(0, 2 * DOTS);
      figure.set({ drawing: figure.fields.drawing.read(drawing), t: 0 });
    };
    paper.addEventListener("pointerdown", (event) => {
      if (figure.state.cloud !== "drawn") return;
      figure.stop();
      paper.setPointerCapture(event.pointerId);
      pointer = event.pointerId;
      last = null;
      ink(event);
    });
    paper.addEventListener("pointermove", (event) => {
      if (event.pointerId === pointer) ink(event);
    });
    paper.addEventListener("lostpointercapture", () => (pointer = null));

    const draw_there = () => {
      const { cloud, t } = figure.state;
      there.plot = plane(there);
      const empty = cloud === "drawn" && !data.drawn;
      const color = figure.color(t > 0 ? "noise" : "data");
      there.plot.dots(noised(data, now), color, { alpha: empty ? 0.2 : 0.7, radius: 1 });
      if (empty) there.plot.text("Draw here", 0, 0, figure.color("ink"), { size: 18 });
      there.caption.textContent = `There: the data${t > 0 ? `, noised to t = ${t}` : ""}`;
      paper.style.cursor = cloud === "drawn" ? "crosshair" : "";
      paper.style.touchAction = cloud === "drawn" ? "none" : "";
    };

    const exact = (at, t) => ask(denoiser_of("truth", data), at, t).x_0;

    const draw_arrows = () => {
      const { t } = figure.state;
      const n = back.plot.box.width < 300 ? 11 : 13;
      if (field?.t !== t || field.n !== n) {
        const side = Array.from({ length: n }, (_, i) => LIMIT * (-1 + (2 * i + 1) / n));
        const from = Float64Array.from(side.flatMap((x) => side.flatMap((y) => [x, y])));
        const to = mix(0.6, from, 0.4 * schedule.ab(t)[0], denoiser.x_0(from, t)); // two fifths of the way
        field = { t, n, from, to };
      }
      back.plot.arrows(field.from, field.to, figure.color("ink"), { alpha: 0.6 });
    };

    const draw_back = () => {
      const { t, arrows, sampler, steps, examples } = figure.state;
      const [a] = schedule.ab(t);
      back.plot = plane(back);
      const seen = crowd.reached <= now ? crowd : old;
      const color = figure.color(seen?.who === "network" ? "model" : "truth");
      if (seen) back.plot.dots(seen.at(now), color, { alpha: 0.7, radius: 1 });
      if (who === "copier" && examples <= RINGS) {
        back.plot.rings(data.x_0.subarray(0, 2 * examples).map((x) => a * x), figure.color("data"));
      }
      if (t > 0 && arrows) draw_arrows();
      if (t > 0) {
        const at = hover ?? figure.state.probe;
        const mine = figure.color(who === "network" ? "model" : "truth");
        const { x_0 } = ask(denoiser, at, t);
        back.plot.arrows(at, x_0.map((x) => a * x), mine, { width: 3, head: 10 });
        back.plot.dots(x_0, mine, { radius: 5, alpha: 1 });
        if (who === "network") back.plot.rings(exact(at, t), figure.color("truth"), { radius: 9, width: 2 });
        if (hover) back.plot.dots(hover, figure.color("noise"), { radius: 5, alpha: 1 });
      }
      const calls = `${SAMPLERS[sampler]}, ${steps} ${steps === 1 ? "step" : "steps"}`;
      const asked = { network: "the network", truth: "exact", copier: `exact, of ${examples} points` }[who];
      back.caption.textContent = `Back: ${asked}, ${calls}`;
      probe.place();
    };

    const words = () => {
      const { cloud, denoiser: wanted, drawing, examples, probe: at, t } = figure.state;
      const said = [];
      if (cloud === "drawn" && !data.drawn) said.push("Draw in the first picture; until then the S stands there.");
      if (drawing.length === 2 * DOTS) said.push(`The pen is empty after ${DOTS} dots.`);
      if (wanted !== who) said.push("The network knows only the S; here the exact denoiser answers.");
      if (t > 0) {
        const { x_0, score } = ask(denoiser, hover ?? at, t);
        said.push(`At ${pair(hover ?? at)} and t = ${t}: best guess of x₀ (dot) ${pair(x_0)}`);
        if (who === "network") said.push(`; the exact one (ring) ${pair(exact(hover ?? at, t))}`);
        said.push(`; score ${pair(score)}.`);
      } else if (crowd.reached === 0) {
        const copied = data.x_0.subarray(0, 2 * examples);
        const [places, name] = who === "copier" ? [copied, "a point that it knows"] : [data.line, "the line"];
        crowd.stroke ??= stroke(crowd.states.at(-1), places);
        data.stroke ??= stroke(data.x_0, data.line);
        said.push(`${N.toLocaleString("en")} new points, typically ${crowd.stroke.toFixed(2)} from ${name}`);
        said.push(who === "copier" ? "." : `; the data, ${data.stroke.toFixed(2)}.`);
      }
      return said.join(" ").replace(/ (?=[.;])/g, "");
    };

    let said_at = -Infinity;
    const speak = () => {
      if (performance.now() - said_at < 300) {
        figure.stale = true; // ask for another frame
        return;
      }
      said_at = performance.now();
      figure.say(words());
    };

    return {
      film,
      reset: () => (stopped = false),
      changed(before) {
        if (OF_WALK.some((key) => before[key] !== figure.state[key])) renew();
        if (before.t !== figure.state.t) {
          now = figure.state.t;
          stopped = false;
        }
      },
      numbers() {
        crowd.go();
        const { t, probe: at } = figure.state;
        const { x_0: guess, score } = t > 0 ? ask(denoiser, at, t) : {};
        const all = { data: data.x_0, noised: noised(data, t), samples: crowd.states.at(-1), guess, score };
        const plain = Object.entries(all).filter(([, each]) => each).map(([name, each]) => [name, Array.from(each)]);
        return { who, times: crowd.times, ...Object.fromEntries(plain) };
      },
      python: () => python(figure.state, who),
      draw() {
        draw_there();
        draw_back();
        if (figure.running) return;
        if (crowd.reached > figure.state.t) {
          figure.start(() => {
            crowd.go(WORK);
            return crowd.reached > figure.state.t;
          });
        } else speak();
      },
    };
  },
};
