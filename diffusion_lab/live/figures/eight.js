// The landing page: dots of noise that find their places in an 8, by DDIM with the exact denoiser of the 8's dots.

import { Crowd } from "../crowd.js";
import { ExactDenoiser } from "../exact.js";
import { number } from "../fields.js";
import { NoiseSchedule } from "../schedule.js";
import { ddim } from "../steps.js";

const T = 100;
const SCHEDULE = NoiseSchedule.cosine(T);
const N = 1000;
const PITCH = 0.23;
const EDGE = 3.1; // of what is seen above and below
const [SECONDS, BEFORE] = [7, 0.1]; // of the play, and the share of them that stands still at first
const PIECE = 8; // milliseconds of computing in a frame
const SLOWER = 1.7; // the further it gets, the slower it goes: the 8 comes out late

/** The dots of the 8: those of a square grid that lie in one of two rings; x, y, x, y, ... */
export function data() {
  const dots = [];
  for (let i = -6; i <= 6; i++) {
    for (let j = -11; j <= 11; j++) {
      const [above, below] = [Math.hypot(i, j - 5), Math.hypot(i, j + 5)];
      if ((above < 5.5 || below < 6.2) && above > 2.3 && below > 2.7) dots.push(PITCH * i, PITCH * j);
    }
  }
  return Float64Array.from(dots);
}

/** N dots on their way from noise to the 8. */
export function crowd(seed) {
  return new Crowd(ExactDenoiser.dataset(data(), SCHEDULE, 2), SCHEDULE, ddim(), { n: N, dim: 2, steps: T, seed });
}

export const eight = {
  name: "eight",
  title: "An 8 out of noise",
  plain: true,
  hint:
    "A thousand random dots. A hundred times, each is moved a little towards where it most likely came from, if what " +
    "we see is an 8 with noise in it. Here a formula says where that is, since we know the dots of the 8. In the " +
    "book a network learns it. The steps are DDIM's: they add no noise, so the slider leads back the same way.",
  fields: {
    t: number({ label: "noise", min: 0, max: T, initial: 0 }),
    seed: number({ label: "seed", min: 1, max: 999, initial: 19, hidden: true }),
  },
  actions: { play: { label: "Play", run: (figure) => figure.part.play() } },
  build(figure) {
    const surface = figure.canvas("A thousand dots: a cloud where t is large, an 8 at t = 0", 0.95, { most: 430 });
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let dots = crowd(figure.state.seed);
    let { t } = figure.state; // with what is after the point, while it plays
    let untouched = t === 0;

    const film = () => {
      let gone = 1 - (t / T) ** (1 / SLOWER) - (t === T ? BEFORE : 0);
      return (seconds) => {
        gone = Math.min(1, gone + seconds / SECONDS);
        t = T * (1 - Math.max(0, gone)) ** SLOWER;
        figure.set({ t: Math.round(t) });
        return gone < 1;
      };
    };
    const first_time = () => {
      untouched = false;
      if (still) return;
      t = T;
      figure.start(film(), figure.buttons.querySelector(".live-play"), "Play");
    };
    return {
      play() {
        if (t === 0) figure.set({ t: T, seed: (figure.state.seed % 999) + 1 });
        return film();
      },
      changed(before) {
        untouched = false;
        if (figure.state.seed !== before.seed) dots = crowd(figure.state.seed);
        if (figure.state.t === Math.round(t)) return;
        t = figure.state.t;
        figure.stop();
      },
      numbers() {
        dots.go();
        const { t } = figure.state;
        return { t, x_T: Array.from(dots.states[0]), x_t: Array.from(dots.states[T - t]) };
      },
      python() {
        return [
          "import torch",
          "from diffusion_lab import ExactDenoiser, NoiseSchedule, ddim, live, walk",
          "",
          "grid = torch.cartesian_prod(torch.arange(-6, 7), torch.arange(-11, 12)).double()",
          "x, y = grid.T",
          "above, below = torch.hypot(x, y - 5), torch.hypot(x, y + 5)",
          "rings = ((above < 5.5) | (below < 6.2)) & (above > 2.3) & (below > 2.7)",
          `eight = ${PITCH} * grid[rings]`,
          "",
          `schedule = NoiseSchedule.cosine(T=${T})`,
          "denoiser = ExactDenoiser.dataset(eight, schedule)",
          `x_T = live.Random(${figure.state.seed}).normals(${N}, 2)`,
          "states = list(walk(denoiser, x_T, schedule, ddim()))",
          `x_t = states[${T} - ${figure.state.t}]`,
        ].join("\n");
      },
      draw() {
        if (untouched && surface.width) first_time();
        if (dots.reached > t) dots.go(still ? 5 * PIECE : PIECE);
        if (dots.reached > t) {
          figure.stale = true; // the rest in the next frames
          if (still) return;
        }
        const share = SCHEDULE.alpha_bar[Math.round(Math.max(t, dots.reached))];
        const wide = (EDGE * surface.width) / surface.height;
        const plot = figure.plot(surface, [-wide, wide], [-EDGE, EDGE], { left: 0, right: 0, top: 0, bottom: 0 });
        const pitch = plot.x(PITCH) - plot.x(0);
        const [radius, alpha] = [pitch * (0.15 + 0.28 * share ** 4), 0.7 + 0.3 * share ** 8];
        const color = `color-mix(in oklab, ${figure.color("model")} ${100 * share ** 2}%, ${figure.color("noise")})`;
        plot.dots(dots.at(t), color, { radius: Math.max(2.01, radius), alpha });
        if (figure.running) return;
        const [a, b] = SCHEDULE.ab(t);
        figure.say(
          t === 0
            ? "t = 0: nearly all have found a place."
            : `t = ${t}: like ${a.toFixed(2)} of the 8 and ${b.toFixed(2)} of noise.`,
        );
      },
    };
  },
};
