// Digits out of noise: the network with labels that comes with the package, asked where the page is read.

import { Denoiser, walk } from "../awaited.js";
import { Engine, missing, weight } from "../engine.js";
import { choice, make, number } from "../fields.js";
import { Guided } from "../guidance.js";
import { draw_picture } from "../picture.js";
import { Random } from "../random.js";
import { NoiseSchedule } from "../schedule.js";
import { ddim, ddpm, dpm_solver } from "../steps.js";
import { DIGITS_STRIP } from "../weights/digits-strip.js";

const N = 16;
const SIDE = 28;
const STEPS = {
  ddim: { words: "DDIM", step: ddim(), python: "ddim()" },
  ddim_1: { words: "DDIM with fresh noise, η = 1", step: ddim(1), python: "ddim(eta=1)" },
  ddpm: { words: "DDPM (the same as η = 1)", step: ddpm(), python: "ddpm()" },
  dpm_solver: { words: "DPM-Solver++", step: dpm_solver(), python: "dpm_solver()" },
};
const TEN = Object.fromEntries([..."0123456789"].map((digit) => [digit, digit]));
const with_engine = () => !missing();

/** The label of each of the digits: -1 for one that is not told. */
export function labels_of(digit) {
  return Array.from({ length: N }, (_, i) => (digit === "all" ? i % 10 : digit === "any" ? -1 : +digit));
}

/** Of the prepared guidances, all above 0, the nearest by ratio. */
export function nearest_guidance(guidance) {
  const far = (each) => Math.abs(Math.log(each / guidance));
  return DIGITS_STRIP.guidance.reduce((best, each) => (far(each) < far(best) ? each : best));
}

export const digits = {
  name: "digits",
  title: "Sixteen digits out of noise",
  hint: "Choose a digit and pull at the guidance: at 1 some are careless, at 6 they are bold and much alike.",
  fields: {
    digit: choice({ label: "which digit", options: { ...TEN, all: "all ten, in turn", any: "any" }, initial: "all" }),
    guidance: number({
      label: "guidance: 1 is none, 0 ignores the digit",
      min: 0,
      max: 8,
      step: 0.5,
      initial: 2,
      when: ({ digit }) => digit !== "any",
    }),
    steps: number({ label: "steps", min: 1, max: 100, initial: DIGITS_STRIP.steps, when: with_engine }),
    sampler: choice({
      label: "sampler",
      options: Object.fromEntries(Object.entries(STEPS).map(([key, { words }]) => [key, words])),
      initial: "ddim",
      when: with_engine,
    }),
    seed: number({ label: "seed of the noise", min: 0, max: 9999, initial: 0, hidden: true }),
  },
  actions: {
    make: {
      label: "Make sixteen digits",
      busy: "Stop",
      when: with_engine,
      run: (figure) => (seconds, signal) => figure.part.next(signal),
    },
    other: {
      label: "Other noise",
      busy: "Stop",
      when: with_engine,
      run(figure) {
        figure.set({ seed: (figure.state.seed + 1) % 10_000 });
        return (seconds, signal) => figure.part.next(signal);
      },
    },
  },
  build(figure) {
    const columns = (width) => (width < 520 ? N / 4 : N / 2);
    const surface = figure.canvas("Sixteen small pictures", (width) => N / columns(width) ** 2);
    const bar = make("progress", { class: "live-progress", max: 1, value: 0, "aria-label": "how far it is" });
    const why = (missing() ?? "").split("`").map((words, i) => (i % 2 ? make("code", {}, [words]) : words));
    if (with_engine()) figure.stage.append(bar);
    else figure.said.after(make("p", { class: "live-note" }, why));
    const strip = new Image();
    strip.src = DIGITS_STRIP.picture;
    strip.decode().then(() => {
      figure.stale = true;
      figure.tick();
    });

    const schedule = NoiseSchedule.cosine(1000);
    let engine = null;
    let way = null; // the walk in progress
    let made = null; // what a walk has come to: {key, x_t, t, step, steps}
    let trouble = "";
    let spoke = 0;
    const key = () => JSON.stringify(figure.state);
    /** What is to be seen instead of the strip: only what was made for the state of now, but while it works. */
    const seen = () => (figure.running || made?.key === key() ? made : null);

    function begin(signal) {
      const { digit, guidance, steps, sampler, seed } = figure.state;
      const random = new Random(seed);
      const start = Float32Array.from(random.normals(N * SIDE * SIDE));
      const options = { times: schedule.times(steps), noise: (n) => random.normals(n), labels: labels_of(digit) };
      const guided = new Guided(new Denoiser(engine, schedule, "v"), digit === "any" ? 1 : guidance);
      const states = walk(guided, start, schedule, STEPS[sampler].step, options);
      return { key: key(), signal, states, times: options.times, step: 0 };
    }

    /** One step further, or the engine first; the promise of whether there is more to do. */
    async function next(signal) {
      trouble = "";
      try {
        engine ??= await Engine.load(loading, signal);
        // When something else is asked for, the walk that was asked for before is left where it is.
        if (way?.key !== key() || way.signal !== signal) way = begin(signal);
        const { value } = await way.states.next();
        if (signal.aborted || way.key !== key()) return !signal.aborted;
        const steps = way.times.length - 1;
        made = { key: way.key, x_t: value, t: way.times[way.step], step: way.step++, steps };
        return made.t > 0;
      } catch (error) {
        if (signal.aborted) return false;
        engine?.close();
        engine = null;
        trouble = `The engine could not be loaded, or failed: ${error.message}. The button tries again.`;
        return false;
      }
    }

    function loading(bytes) {
      bar.value = bytes / weight();
      figure.say(bytes < weight() ? `Loading the engine: ${mb(bytes)} of ${mb(weight())} MB.` : "Starting the engine.");
    }

    function words() {
      const { digit, guidance, sampler } = figure.state;
      const shown = seen();
      if (trouble) return trouble;
      if (shown?.t > 0) {
        return `${figure.running ? "On the way" : "Stopped"}: step ${shown.step} of ${shown.steps}, t = ${shown.t}.`;
      }
      const told = digit !== "any" && guidance > 0;
      const led = shown ? guidance : nearest_guidance(guidance);
      const whom = !told ? "whichever came" : digit === "all" ? "0 to 9 in turn" : `each ${digit === "8" ? "an" : "a"} ${digit}`;
      const how = !told ? "told nothing" : led === 1 ? "without guidance" : `guidance ${led}`;
      const steps = `${(shown ?? DIGITS_STRIP).steps} steps of ${STEPS[shown ? sampler : "ddim"].words}`;
      const what = `Sixteen digits, ${whom}, ${shown ? "made here" : "prepared"}: ${how}, ${steps}.`;
      const offer = shown || engine || missing() ? "" : ` To make others, the button loads ${mb(weight())} MB, once.`;
      return what + offer;
    }

    /** Where in the strip the i-th picture is. */
    function prepared(i) {
      const { digit, guidance } = figure.state;
      const told = digit !== "any" && guidance > 0;
      const group = DIGITS_STRIP.guidance.indexOf(nearest_guidance(guidance));
      const row = told ? 10 * group + labels_of(digit)[i] : 10 * DIGITS_STRIP.guidance.length;
      return [i * SIDE, row * SIDE];
    }

    return {
      next,
      numbers() {
        const { x_t = [], t = null } = seen() ?? {};
        return { x_t: Array.from(x_t), t, labels: labels_of(figure.state.digit) };
      },
      changed() {
        trouble = "";
      },
      reset() {
        made = null;
      },
      python() {
        const { digit, guidance, steps, sampler, seed } = figure.state;
        const labels = { all: `torch.arange(${N}) % 10`, any: `torch.full((${N},), -1)  # not told` }[digit];
        const name = STEPS[sampler].python.split("(")[0];
        const fresh = name === "ddpm" || sampler === "ddim_1";
        return [
          "import torch",
          `from diffusion_lab import Guided, clip, ${name}, figures, live, load_pretrained, sample`,
          "",
          'denoiser = load_pretrained("mnist-conditional")',
          `x_T = live.Random(${seed}).normals(${N}, 1, ${SIDE}, ${SIDE}).float()`,
          `labels = ${labels ?? `torch.full((${N},), ${digit})`}`,
          `guided = Guided(denoiser, ${digit === "any" ? 1 : guidance})`,
          `step = ${STEPS[sampler].python}${fresh ? "  # its fresh noise is PyTorch's: other digits of the kind" : ""}`,
          `x_0 = sample(guided, x_T, denoiser.path, step, steps=${steps}, edit=clip(), labels=labels)`,
          "figures.show_images(x_0)",
        ].join("\n");
      },
      draw() {
        const { context, width, height } = surface;
        const across = columns(width);
        const size = width / across;
        const shown = seen();
        context.clearRect(0, 0, width, height);
        context.imageSmoothingEnabled = false;
        for (let i = 0; i < N; i++) {
          const place = [(i % across) * size + 1, Math.floor(i / across) * size + 1, size - 2];
          if (shown) {
            draw_picture(context, shown.x_t.subarray(i * SIDE ** 2, (i + 1) * SIDE ** 2), ...place);
          } else if (strip.complete) {
            context.drawImage(strip, ...prepared(i), SIDE, SIDE, ...place, size - 2);
          }
        }
        bar.style.visibility = figure.running ? "visible" : "hidden";
        if (figure.running && !engine) return; // loading() speaks
        if (shown) bar.value = shown.step / shown.steps;
        // On the way a few words a second are enough.
        if (figure.running && performance.now() - spoke < 400) return;
        spoke = performance.now();
        figure.say(words());
      },
    };
  },
};

const mb = (bytes) => (bytes / 1e6).toFixed(0);
