// Drawing on a canvas: axes, curves, bars and dots, in the colours of the page.

export class Plot {
  /** context: of a canvas; box: {left, top, width, height} in pixels; x, y: [low, high] of the axes. */
  constructor(context, box, x, y) {
    Object.assign(this, { context, box, low: [x[0], y[0]], high: [x[1], y[1]] });
  }

  x(value) {
    return this.box.left + ((value - this.low[0]) / (this.high[0] - this.low[0])) * this.box.width;
  }

  y(value) {
    return this.box.top + (1 - (value - this.low[1]) / (this.high[1] - this.low[1])) * this.box.height;
  }

  /** The place in the axes of a pixel. */
  at(px, py) {
    const { box, low, high } = this;
    return [
      low[0] + ((px - box.left) / box.width) * (high[0] - low[0]),
      low[1] + (1 - (py - box.top) / box.height) * (high[1] - low[1]),
    ];
  }

  /** A line through points; NaN breaks it. */
  curve(xs, ys, color, { width = 2, dash = [], alpha = 1, fill = false } = {}) {
    const { context } = this;
    context.save();
    context.beginPath();
    let drawing = false;
    for (let i = 0; i < xs.length; i++) {
      if (Number.isNaN(ys[i])) drawing = false;
      else if (drawing) context.lineTo(this.x(xs[i]), this.y(ys[i]));
      else context.moveTo(this.x(xs[i]), this.y(ys[i]));
      drawing = !Number.isNaN(ys[i]);
    }
    if (fill) {
      context.lineTo(this.x(xs.at(-1)), this.y(this.low[1]));
      context.lineTo(this.x(xs[0]), this.y(this.low[1]));
      context.globalAlpha = 0.18 * alpha;
      context.fillStyle = color;
      context.fill();
    }
    context.globalAlpha = alpha;
    Object.assign(context, { strokeStyle: color, lineWidth: width, lineJoin: "round" });
    context.setLineDash(dash);
    context.stroke();
    context.restore();
  }

  /** Bars from the floor; edges has one number more than heights. */
  bars(edges, heights, color, { alpha = 0.6 } = {}) {
    const { context } = this;
    context.save();
    Object.assign(context, { fillStyle: color, globalAlpha: alpha });
    const floor = this.y(Math.max(0, this.low[1]));
    heights.forEach((height, i) => {
      const left = this.x(edges[i]);
      context.fillRect(left, this.y(height), this.x(edges[i + 1]) - left - 0.5, floor - this.y(height));
    });
    context.restore();
  }

  /** Bars that lie: from the left edge, as long as a number, for a histogram beside an axis. */
  bars_across(edges, lengths, color, { alpha = 0.6 } = {}) {
    const { context } = this;
    context.save();
    Object.assign(context, { fillStyle: color, globalAlpha: alpha });
    lengths.forEach((length, i) => {
      const [top, width] = [this.y(edges[i + 1]), this.x(Math.min(length, this.high[0])) - this.box.left];
      context.fillRect(this.box.left, top + 0.5, width, this.y(edges[i]) - top - 0.5);
    });
    context.restore();
  }

  /** Points, flat: x, y, x, y, ... */
  dots(points, color, { radius = 1.5, alpha = 0.8 } = {}) {
    const { context } = this;
    context.save();
    Object.assign(context, { fillStyle: color, globalAlpha: alpha });
    if (radius <= 2) {
      for (let i = 0; i < points.length; i += 2) {
        context.fillRect(this.x(points[i]) - radius, this.y(points[i + 1]) - radius, 2 * radius, 2 * radius);
      }
    } else {
      for (let i = 0; i < points.length; i += 2) {
        context.beginPath();
        context.arc(this.x(points[i]), this.y(points[i + 1]), radius, 0, 2 * Math.PI);
        context.fill();
      }
    }
    context.restore();
  }

  /** Arrows from points to points, both flat. */
  arrows(from, to, color, { width = 1, alpha = 1, head = 5 } = {}) {
    const { context } = this;
    context.save();
    Object.assign(context, { strokeStyle: color, globalAlpha: alpha, lineWidth: width, lineCap: "round" });
    context.beginPath();
    for (let i = 0; i < from.length; i += 2) {
      const [x, y] = [this.x(to[i]), this.y(to[i + 1])];
      const [dx, dy] = [x - this.x(from[i]), y - this.y(from[i + 1])];
      const [size, angle] = [Math.min(head, Math.hypot(dx, dy)), Math.atan2(dy, dx)];
      context.moveTo(x - dx, y - dy);
      context.lineTo(x, y);
      for (const side of [angle + 2.6, angle - 2.6]) {
        context.moveTo(x, y);
        context.lineTo(x + size * Math.cos(side), y + size * Math.sin(side));
      }
    }
    context.stroke();
    context.restore();
  }

  /** Circles around points, flat. */
  rings(points, color, { radius = 5, width = 1.5, alpha = 1 } = {}) {
    const { context } = this;
    context.save();
    Object.assign(context, { strokeStyle: color, globalAlpha: alpha, lineWidth: width });
    for (let i = 0; i < points.length; i += 2) {
      context.beginPath();
      context.arc(this.x(points[i]), this.y(points[i + 1]), radius, 0, 2 * Math.PI);
      context.stroke();
    }
    context.restore();
  }

  line(x0, y0, x1, y1, color, { width = 1, dash = [], alpha = 1 } = {}) {
    this.curve([x0, x1], [y0, y1], color, { width, dash, alpha });
  }

  /** Words at a place in the axes; dx and dy move them by pixels. */
  text(words, x, y, color, { align = "center", size = 13, dx = 0, dy = 0 } = {}) {
    const { context } = this;
    context.save();
    Object.assign(context, { fillStyle: color, textAlign: align, textBaseline: "middle" });
    context.font = `${size}px ${getComputedStyle(context.canvas).fontFamily}`;
    context.fillText(words, this.x(x) + dx, this.y(y) + dy);
    context.restore();
  }

  /** The floor of the axes, with marks at round numbers and, at its right end, its name. */
  x_axis(color, { name = "", count = 6, format = String } = {}) {
    this.line(this.low[0], this.low[1], this.high[0], this.low[1], color);
    for (const value of round_numbers(this.low[0], this.high[0], count)) {
      this.context.fillStyle = color;
      this.context.fillRect(this.x(value) - 0.5, this.y(this.low[1]), 1, 4);
      this.text(format(value), value, this.low[1], color, { dy: 14 });
    }
    if (name) this.text(name, this.high[0], this.low[1], color, { align: "right", dy: 30 });
  }

  y_axis(color, { name = "", count = 4, format = String } = {}) {
    this.line(this.low[0], this.low[1], this.low[0], this.high[1], color);
    for (const value of round_numbers(this.low[1], this.high[1], count)) {
      this.context.fillStyle = color;
      this.context.fillRect(this.x(this.low[0]) - 4, this.y(value) - 0.5, 4, 1);
      this.text(format(value), this.low[0], value, color, { align: "right", dx: -8 });
    }
    if (name) this.text(name, this.low[0], this.high[1], color, { align: "left", dx: 6, dy: -4 });
  }
}

/** About `count` round numbers between low and high, whichever is larger. */
export function round_numbers(low, high, count) {
  if (low > high) return round_numbers(high, low, count);
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => each * power >= rough) * power;
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) => +((first + i) * step).toFixed(10));
}

/** Shares of the values in each of n equal bins from low to high, divided by the bin's width: [edges, heights]. */
export function histogram(values, low, high, n) {
  const width = (high - low) / n;
  const heights = new Float64Array(n);
  for (const value of values) {
    const bin = Math.floor((value - low) / width);
    if (bin >= 0 && bin < n) heights[bin] += 1 / (values.length * width);
  }
  return [Float64Array.from({ length: n + 1 }, (_, i) => low + i * width), heights];
}
