// Who denoises points in the plane: the network of the S, or a formula that knows the cloud or some points of it.

import { adds_noise } from "./any_sampler.js";
import { CLOUDS, STROKE, points } from "./clouds.js";
import { ExactDenoiser } from "./exact.js";
import { Denoiser, MLP } from "./mlp.js";
import { Random } from "./random.js";
import { NoiseSchedule } from "./schedule.js";
import { convert } from "./targets.js";
import { s_curve_weights } from "./weights/s-curve.js";

export const N = 2000; // points
export const schedule = NoiseSchedule.cosine(s_curve_weights.T);
const network = new Denoiser(MLP.read(s_curve_weights), schedule, s_curve_weights.target);

/** The line of a state's cloud, and the Python that makes it. Until something is drawn, the S stands in. */
export function line_of({ cloud, drawing }) {
  if (cloud !== "drawn" || drawing.length < 2) return { drawn: false, ...(CLOUDS[cloud] ?? CLOUDS.s) };
  const rows = Array.from({ length: Math.floor(drawing.length / 2) }, (_, i) => drawing.slice(2 * i, 2 * i + 2));
  const words = rows.map((row, i) => `${i % 6 ? " " : "\n    "}[${row.join(", ")}],`).join("");
  return { drawn: true, line: rows.flat(), python: [`line = torch.tensor([${words}\n], dtype=torch.float64)`] };
}

/** The cloud of a state: its line, points of it, and noise for them. */
export function data_of(state) {
  const { line, drawn } = line_of(state);
  return { line, drawn, x_0: points(line, N, new Random(3)), eps: new Random(4).normals(2 * N) };
}

/** Who answers: the network knows only the S. */
export function who_answers({ denoiser, cloud }) {
  return denoiser === "network" && cloud !== "s" ? "truth" : denoiser;
}

/** "network"; "truth", which knows the bells of the line; or "copier", which knows the first of the points. */
export function denoiser_of(who, { line, x_0 }, examples) {
  if (who === "network") return network;
  if (who === "copier") return ExactDenoiser.dataset(x_0.subarray(0, 2 * examples), schedule, 2);
  const K = line.length / 2;
  return new ExactDenoiser(line, new Float64Array(K).fill(STROKE), new Float64Array(K).fill(1), schedule, 2);
}

/** What a denoiser says of one place: the best guess of x_0, and the score. */
export function ask(denoiser, place, t) {
  const x_t = Float64Array.from(place);
  const x_0 = denoiser.x_0(x_t, t);
  return { x_0, score: convert(x_t, t, x_0, schedule, "x_0", "score") };
}

/** Python that gives the numbers of a state: `noised`, `guess`, `score` and `samples`. */
export function python({ cloud, drawing, probe, t, sampler, eta, steps, seed, examples }, who) {
  const made = line_of({ cloud, drawing }).python;
  const denoisers = {
    network: ['denoiser = load_pretrained(live.HERE / "weights" / "s-curve.safetensors").double()'],
    truth: [
      `widths, shares = torch.full((len(line),), ${STROKE}), torch.ones(len(line))`,
      "denoiser = ExactDenoiser.mixture(line, widths, shares, schedule)",
    ],
    copier: [`denoiser = ExactDenoiser.dataset(data[:${examples}], schedule)`],
  };
  const ours = who === "network" ? "load_pretrained" : "ExactDenoiser";
  const asked = [
    `x_t = torch.tensor([[${probe.join(", ")}]], dtype=torch.float64)`,
    "with torch.no_grad():",
    "    guess = denoiser.x_0(x_t, t)",
    'score = convert(x_t, t, guess, schedule, "x_0", "score")',
    "",
  ];
  const own = [
    "def step(now, to):",
    `    mean, std = ${sampler}(${sampler === "ddpm" ? "" : eta})(now, to)`,
    "    return mean + std * noise.normals(*mean.shape), 0.0  # the page's noise in place of PyTorch's",
    "",
  ];
  const fresh = adds_noise({ sampler, eta });
  return [
    ...(made.some((row) => row.includes("math.")) ? ["import math", ""] : []),
    "import torch",
    "",
    `from diffusion_lab import NoiseSchedule, ${ours}, add_noise, convert, ${sampler}, live, sample`,
    "",
    `schedule = NoiseSchedule.cosine(T=${schedule.T})`,
    ...made,
    "draws = live.Random(3)  # this page's noise",
    `bells = [int(len(line) * draws.uniform()) for _ in range(${N})]`,
    `data = line[bells] + ${STROKE} * draws.normals(${N}, 2)`,
    "",
    `t = ${t}`,
    `noised = add_noise(data, t, live.Random(4).normals(${N}, 2), schedule)`,
    "",
    ...denoisers[who],
    ...(t > 0 ? asked : []),
    `noise = live.Random(${seed})`,
    `start = noise.normals(${N}, 2)`,
    ...(fresh ? ["", "", ...own, ""] : []),
    `samples = sample(denoiser, start, schedule, ${fresh ? "step" : `${sampler}()`}, steps=${steps})`,
  ].join("\n");
}
