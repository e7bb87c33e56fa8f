// The closed forms: two bells multiplied.

import { number } from "../fields.js";
import { linspace } from "../schedule.js";

const LIMIT = 6;

const mean = (label, initial) => number({ label, min: -5, max: 5, step: 0.05, initial });
const std = (label, initial) => number({ label, min: 0.4, max: 3, step: 0.05, initial });

/** The product of N(m_1, v_1) and N(m_2, v_2) is a bell again, but for its height: its mean and variance. */
export function multiply(m_1, v_1, m_2, v_2) {
  const precision = 1 / v_1 + 1 / v_2;
  return [(m_1 / v_1 + m_2 / v_2) / precision, 1 / precision];
}

const bell = (x, m, s) => Math.exp(-0.5 * ((x - m) / s) ** 2) / (s * Math.sqrt(2 * Math.PI));

export const two_bells = {
  name: "two-bells",
  title: "Two bells, multiplied",
  hint: "Drag the top of a bell: sideways for its mean, up to make it narrow. The product listens to the narrower one.",
  fields: {
    m_1: mean("mean of the first, m₁", -2),
    s_1: std("its standard deviation, s₁", 1.2),
    m_2: mean("mean of the second, m₂", 2),
    s_2: std("its standard deviation, s₂", 0.8),
  },
  build(figure) {
    const surface = figure.canvas("Two bells and, where both are high, the bell that their product is", 0.5, { most: 340 });
    const x = linspace(-LIMIT, LIMIT, 400);
    let plot = figure.plot(surface, [-LIMIT, LIMIT], [0, 1.45]);
    const numbers = () => {
      const { m_1, s_1, m_2, s_2 } = figure.state;
      const [m, v] = multiply(m_1, s_1 ** 2, m_2, s_2 ** 2);
      return { mean: m, variance: v };
    };
    const handles = [1, 2].map((i) => {
      const [m, s] = [`m_${i}`, `s_${i}`];
      return figure.handle(surface, {
        label: `top of bell ${i}`,
        axis: "xy",
        color: i === 1 ? "data" : "noise",
        plot: () => plot,
        get: () => [figure.state[m], bell(0, 0, figure.state[s])],
        set: (to, height) => {
          const narrow = bell(0, 0, 1) / Math.max(height, 0.01);
          figure.set({ [m]: figure.fields[m].read(to), [s]: figure.fields[s].read(narrow) });
        },
        words: () => `mean ${figure.state[m]}, standard deviation ${figure.state[s]}`,
        min: -5,
        max: 5,
        step: 0.05,
      });
    });
    return {
      numbers,
      python() {
        const { m_1, s_1, m_2, s_2 } = figure.state;
        return [
          `m_1, v_1 = ${m_1}, ${s_1} ** 2`,
          `m_2, v_2 = ${m_2}, ${s_2} ** 2`,
          "",
          "variance = 1 / (1 / v_1 + 1 / v_2)",
          "mean = variance * (m_1 / v_1 + m_2 / v_2)",
        ].join("\n");
      },
      draw() {
        const { m_1, s_1, m_2, s_2 } = figure.state;
        const { mean: m, variance } = numbers();
        plot = figure.plot(surface, [-LIMIT, LIMIT], [0, 1.45]);
        plot.x_axis(figure.color("muted"));
        plot.curve(x, x.map((each) => bell(each, m_1, s_1)), figure.color("data"), { fill: true });
        plot.curve(x, x.map((each) => bell(each, m_2, s_2)), figure.color("noise"), { fill: true });
        const product = x.map((each) => bell(each, m, Math.sqrt(variance)));
        plot.curve(x, product, figure.color("model"), { width: 3, fill: true });
        for (const handle of handles) handle.place();
        const [one, two] = [1 / s_1 ** 2, 1 / s_2 ** 2];
        figure.say(
          `1/v = ${one.toFixed(2)} + ${two.toFixed(2)} = ${(one + two).toFixed(2)}, so v = ${variance.toFixed(3)}. ` +
            `The mean is ${m.toFixed(3)}: ${((100 * one) / (one + two)).toFixed(0)} % of m₁ and ` +
            `${((100 * two) / (one + two)).toFixed(0)} % of m₂.`,
        );
      },
    };
  },
};
