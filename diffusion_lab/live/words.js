// Numbers as words.

const UP = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** Two digits: 0.048, and 4.0 · 10⁻⁵ where that is shorter. */
export function short(value) {
  const size = Math.abs(value);
  if ((size >= 0.001 && size < 10_000) || value === 0) return String(+value.toPrecision(2)).replace("-", "−");
  const [digits, power] = value.toExponential(1).split("e");
  const raised = [...power.replace("+", "")].map((letter) => UP[letter]).join("");
  return `${digits.replace("-", "−")}\u00a0·\u00a010${raised}`;
}

/** With so many places after the point, and a true minus; what is too large for that as `short` has it. */
export function fixed(value, places) {
  if (Math.abs(value) >= 10_000) return short(value);
  return value.toFixed(places).replace("-", Number(value.toFixed(places)) === 0 ? "" : "−");
}
