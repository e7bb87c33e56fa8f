// A sampler of the reader's: the fields that choose it, and the step that they mean.

import { choice, number } from "./fields.js";
import { ddim, ddpm, dpm_solver } from "./steps.js";

export const SAMPLERS = { ddim: "DDIM", ddpm: "DDPM", dpm_solver: "DPM-Solver++ (2M)" };
const STEPS = { ddim, ddpm: () => ddpm(), dpm_solver }; // by eta, which ddpm does not have

/** The fields sampler, steps and eta; steps: what this number has of its own, such as max. */
export function sampler_fields(steps) {
  return {
    sampler: choice({ label: "sampler", options: SAMPLERS, initial: "ddim" }),
    steps: number({ min: 1, ...steps }),
    eta: number({
      label: "η, how much of the noise is fresh",
      min: 0,
      max: 1,
      step: 0.05,
      initial: 0,
      when: ({ sampler }) => sampler !== "ddpm",
    }),
  };
}

/** The step that a state names. */
export function step_of({ sampler, eta }) {
  return STEPS[sampler](eta);
}

/** Whether steps add noise of their own, so that a start does not decide where its path ends. */
export function adds_noise({ sampler, eta }) {
  return sampler === "ddpm" || eta > 0;
}
