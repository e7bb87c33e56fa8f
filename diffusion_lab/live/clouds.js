// Clouds in the plane: the S and others, each a line of narrow bells, and what a pen draws.
// A line is x, y, x, y, ..., the middles of its bells; the Python beside it makes the same.

export const STROKE = 0.1; // the width of the bells
const K = 100; // how many of them

const sweep = (n, from, to) => Array.from({ length: n }, (_, i) => from + ((i + 0.5) / n) * (to - from));
const moon = sweep(K / 2, 0, Math.PI).flatMap((p) => [1.4 * (Math.cos(p) - 0.5), 1.4 * (Math.sin(p) - 0.25)]);

export const CLOUDS = {
  s: {
    words: "S",
    // As scikit-learn's make_s_curve has it.
    line: sweep(K, -1.5 * Math.PI, 1.5 * Math.PI).flatMap((p) => [Math.sin(p), Math.sign(p) * (Math.cos(p) - 1)]),
    python: [
      "place = (torch.arange(100).double() + 0.5) / 100 * 3 * math.pi - 1.5 * math.pi",
      "line = torch.stack([place.sin(), place.sign() * (place.cos() - 1)], dim=1)",
    ],
  },
  ring: {
    words: "ring",
    line: sweep(K, 0, 2 * Math.PI).flatMap((p) => [1.7 * Math.cos(p), 1.7 * Math.sin(p)]),
    python: [
      "place = (torch.arange(100).double() + 0.5) / 100 * 2 * math.pi",
      "line = 1.7 * torch.stack([place.cos(), place.sin()], dim=1)",
    ],
  },
  moons: {
    words: "two moons",
    line: [...moon, ...moon.map((each) => -each)],
    python: [
      "place = (torch.arange(50).double() + 0.5) / 50 * math.pi",
      "moon = 1.4 * torch.stack([place.cos() - 0.5, place.sin() - 0.25], dim=1)",
      "line = torch.cat([moon, -moon])",
    ],
  },
  spiral: {
    words: "spiral",
    // The root keeps the bells at one distance from each other.
    line: sweep(K, 0, 1).flatMap((share) => {
      const p = 4 * Math.PI * Math.sqrt(share);
      return [(p * Math.cos(p)) / (2 * Math.PI), (p * Math.sin(p)) / (2 * Math.PI)];
    }),
    python: [
      "place = 4 * math.pi * ((torch.arange(100).double() + 0.5) / 100).sqrt()",
      "line = place[:, None] / (2 * math.pi) * torch.stack([place.cos(), place.sin()], dim=1)",
    ],
  },
};

/** n points of a line of bells: for each a bell is drawn, then the noise for all. */
export function points(line, n, random) {
  const bells = Array.from({ length: n }, () => 2 * Math.floor((line.length / 2) * random.uniform()));
  return Float64Array.from(bells.flatMap((at) => [line[at], line[at + 1]]), (x) => x + STROKE * random.normal());
}

/** How far the points are from the nearest of some places: the root of the mean square. */
export function stroke(points, places) {
  let sum = 0;
  for (let i = 0; i < points.length; i += 2) {
    let nearest = Infinity;
    for (let k = 0; k < places.length; k += 2) {
      nearest = Math.min(nearest, (points[i] - places[k]) ** 2 + (points[i + 1] - places[k + 1]) ** 2);
    }
    sum += nearest;
  }
  return Math.sqrt(sum / (points.length / 2));
}

/** The dots of a pen that goes from one place to another, a gap apart; without a place to come from, one dot. */
export function pen(from, to, gap) {
  if (!from) return [...to];
  const far = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const dots = Array.from({ length: Math.floor(far / gap) }, (_, i) => ((i + 1) * gap) / far);
  return dots.flatMap((share) => [from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1])]);
}
