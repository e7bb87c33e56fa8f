// A schedule of the reader's: the fields that choose it, the table that they mean, and the Python that makes it.

import { choice, number } from "./fields.js";
import { NoiseSchedule } from "./schedule.js";

const START = { linear: 1e-4, scaled_linear: 0.00085 };
const KINDS = { cosine: "cosine", linear: "linear", scaled_linear: "scaled linear", constant: "constant" };

/** The fields kind, T and end; rest: what else they all have, such as fold. */
export function schedule_fields({ kind = "cosine", T = 300, ...rest } = {}) {
  return {
    kind: choice({ label: "schedule", options: KINDS, initial: kind, ...rest }),
    T: number({ label: "steps, T", min: 1, max: 1000, initial: T, ...rest }),
    end: number({
      label: "last β",
      min: 0.001,
      max: 0.5,
      step: 0.001,
      initial: 0.02,
      log: true,
      when: (state) => state.kind !== "cosine",
      ...rest,
    }),
  };
}

export function make_schedule({ kind, T, end }) {
  if (kind === "cosine") return NoiseSchedule.cosine(T);
  if (kind === "constant") return NoiseSchedule.constant(T, end);
  return NoiseSchedule[kind](T, START[kind], end);
}

export function schedule_code({ kind, T, end }) {
  const rest = { cosine: "", constant: `, beta=${end}` }[kind] ?? `, start=${START[kind]}, end=${end}`;
  return `NoiseSchedule.${kind}(T=${T}${rest})`;
}
