// What all live figures share: a heading, controls, a state that a link carries, a reset, the same in Python, and
// drawing only while somebody looks.
//
// A figure is {name, title, hint, fields, actions, build}. build(figure) makes what is to be seen and returns {draw},
// and {numbers} for tests and {python} for the reader, each a function of nothing that looks at figure.state.
// A field or an action may say when it is there, `when: (state) => ...`; a field, under what words it is folded away,
// `fold: "The schedule"`, that it stands above the picture, `above: true`, and the largest value that it may have now,
// `most: (state) => state.T`. A figure that is `plain` has no frame and no heading, and all but its fields and actions
// is folded away.

import { make } from "./fields.js";
import { Plot } from "./plot.js";

export class LiveFigure {
  /** element: an empty element of the page; given: fields that do not begin as usual; linked: the page has an address. */
  constructor(element, { name, title, hint, fields, actions = {}, build, plain = false }, given = {}, linked = true) {
    Object.assign(this, { element, name, fields, given, visible: false, stale: true, running: null });
    this.state = this.initial();
    this.stage = make("div", { class: "live-stage" });
    this.controls = make("div", { class: "live-controls" });
    this.said = make("p", { class: "live-said", role: "status" });
    const above = element.closest("section")?.querySelector("h1, h2, h3, h4");
    const level = 1 + (above ? +above.tagName[1] : 1);
    const heading = make("p", { class: "live-title", role: "heading", "aria-level": level }, [title]);
    const words = make("p", { class: "live-hint" }, [hint]);
    element.replaceChildren(...(plain ? [] : [heading, words]), this.stage, this.said, this.controls);
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", title);
    element.classList.add("live");
    element.classList.toggle("live-plain", plain);
    this.shows = {};
    this.sometimes = []; // [element, when]
    const folds = {};
    for (const [key, field] of Object.entries(fields)) {
      if (field.hidden) continue;
      const { element: control, show } = field.control(this, key);
      if (field.fold && !folds[field.fold]) {
        const inside = (folds[field.fold] = make("div", { class: "live-controls" }));
        this.controls.append(make("details", { class: "live-fold" }, [make("summary", {}, [field.fold]), inside]));
      }
      if (field.above) this.stage.before(control);
      else (folds[field.fold] ?? this.controls).append(control);
      this.shows[key] = show;
      if (field.when) this.sometimes.push([control, field.when]);
    }
    this.buttons = make("div", { class: "live-buttons" });
    for (const [key, { label, run, when, busy }] of Object.entries(actions)) {
      const button = this.button(key, label, run, busy);
      if (when) this.sometimes.push([button, when]);
    }
    const reset = make("button", { type: "button" }, ["Reset"]);
    reset.addEventListener("click", () => {
      this.stop();
      this.set(this.initial());
      this.part.reset?.();
    });
    this.link = make("a", { class: "live-link" }, ["Link to this state"]);
    const rest = plain ? make("div", { class: "live-buttons" }) : this.buttons;
    rest.append(reset, ...(linked ? [this.link] : []));
    this.controls.append(this.buttons);
    this.part = build(this);
    if (this.part.python) {
      this.code = make("code");
      const summary = make("summary", {}, [plain ? "How it is made" : "The same in Python"]);
      const folded = make("details", { class: "live-code" }, [summary, ...(plain ? [words, rest] : [])]);
      folded.append(make("pre", { tabindex: "0" }, [this.code]));
      element.append(folded);
    }
    if (linked) {
      addEventListener("hashchange", () => this.follow(location.hash));
      this.follow(location.hash);
    } else {
      // Jupyter would take arrows and letters for its own.
      element.addEventListener("keydown", (event) => event.stopPropagation());
    }
    this.changed();
    this.watch();
  }

  /** The state to begin with: the fields' own, and what was given. */
  initial() {
    const state = {};
    for (const [key, field] of Object.entries(this.fields)) {
      state[key] = (key in this.given ? field.read(this.given[key]) : undefined) ?? field.initial;
    }
    return this.within(state);
  }

  /** The state with every number at most what it may be beside the others. */
  within(state) {
    for (const [key, { most }] of Object.entries(this.fields)) if (most) state[key] = Math.min(state[key], most(state));
    return state;
  }

  /** Change fields; each value must be one that its field's `read` gives. */
  set(values) {
    const before = this.state;
    this.state = this.within({ ...before, ...values });
    this.part.changed?.(before);
    this.changed();
  }

  /** Bring controls, link and code up to the state, and draw soon. */
  changed() {
    for (const [key, show] of Object.entries(this.shows)) show(this.state[key], this.state);
    for (const [element, when] of this.sometimes) element.hidden = !when(this.state);
    const first = this.initial();
    const set = Object.entries(this.fields).filter(
      ([key, field]) => field.write(this.state[key]) !== field.write(first[key]),
    );
    const words = set.map(([key, field]) => `${key}=${encodeURIComponent(field.write(this.state[key]))}`);
    this.link.href = `#live-${this.name}${words.map((word) => `&${word}`).join("")}`;
    if (this.code) this.code.textContent = this.part.python();
    this.stale = true;
    this.tick();
  }

  /** Take the state that an address carries, if it is of this figure. */
  follow(hash) {
    const [name, ...words] = hash.replace(/^#/, "").split("&");
    if (name !== `live-${this.name}`) return;
    const state = this.initial();
    for (const word of words) {
      const [key, text = ""] = word.split("=");
      const value = Object.hasOwn(this.fields, key) ? this.fields[key].read(decode(text)) : undefined;
      if (value !== undefined) state[key] = value;
    }
    this.stop();
    this.set(state);
    this.element.scrollIntoView({ block: "center" });
  }

  /** Words under the figure, read out by screen readers. */
  say(words) {
    if (this.said.textContent === words) return;
    this.said.textContent = words;
    this.said.style.minHeight = `${this.said.offsetHeight}px`; // only grows: what is below stays under the hand
  }

  /** A colour of the page by its meaning: data, noise, model, truth, and the same with -text for words; ink, muted,
   * line, paper. */
  color(meaning) {
    return getComputedStyle(this.element).getPropertyValue(`--live-${meaning}`).trim();
  }

  /** A canvas as wide as the figure; ratio: height by width, or a function that gives it for a width. Returns
   * {context, width, height}, kept up to date. */
  canvas(label, ratio, { most = Infinity, parent = this.stage } = {}) {
    const element = make("canvas", { role: "img", "aria-label": label });
    const holder = make("div", { class: "live-canvas" }, [element]);
    parent.append(holder);
    const surface = { element, holder, context: element.getContext("2d"), width: 0, height: 0 };
    const fit = () => {
      const width = holder.clientWidth;
      if (width === 0) return;
      const height = Math.round(Math.min(width * (ratio.call ? ratio(width) : ratio), most));
      const scale = Math.max(1, devicePixelRatio);
      Object.assign(surface, { width, height });
      Object.assign(element, { width: Math.round(width * scale), height: Math.round(height * scale) });
      element.style.height = `${height}px`;
      surface.context.setTransform(scale, 0, 0, scale, 0, 0);
      this.stale = true;
      this.tick();
    };
    new ResizeObserver(fit).observe(holder);
    fit();
    return surface;
  }

  /** A clean plot that fills the canvas but for its margins. */
  plot(surface, x, y, { left = 12, right = 12, top = 12, bottom = 36 } = {}) {
    surface.context.clearRect(0, 0, surface.width, surface.height);
    return this.part_plot(surface, x, y, { left, right, top, bottom });
  }

  /** The same without wiping the canvas: for several plots in one. */
  part_plot(surface, x, y, { left = 12, right = 12, top = 12, bottom = 36 } = {}) {
    const box = { left, top, width: surface.width - left - right, height: surface.height - top - bottom };
    return new Plot(surface.context, box, x, y);
  }

  /**
   * Something to drag on a canvas, by pointer or arrow keys.
   *
   * get(): its value, [x, y] in the axes of `plot()`; set(x, y) takes a new one; words(): the value as text;
   * min, max: of what the arrow keys move; step: how far one press goes. Call place() when the plot has changed.
   */
  handle(surface, { label, plot, get, set, words, min, max, step, color = "ink", axis = "x" }) {
    const element = make("div", { class: `live-handle live-handle-${axis}`, role: "slider", tabindex: "0" });
    element.setAttribute("aria-label", label);
    element.setAttribute("aria-valuemin", min);
    element.setAttribute("aria-valuemax", max);
    element.setAttribute("aria-valuenow", get()[axis === "y" ? 1 : 0]); // before it is placed, too
    element.style.setProperty("--handle", `var(--live-${color})`);
    surface.holder.append(element);
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      element.focus({ preventScroll: true });
      event.preventDefault();
    });
    element.addEventListener("pointermove", (event) => {
      if (!element.hasPointerCapture(event.pointerId)) return;
      const frame = surface.element.getBoundingClientRect();
      set(...plot().at(event.clientX - frame.left, event.clientY - frame.top));
    });
    element.addEventListener("keydown", (event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [];
      if (dx === undefined) return;
      event.preventDefault();
      const far = event.shiftKey ? 10 * step : step;
      const [x, y] = get();
      if (axis === "xy") set(x + far * dx, y + far * dy);
      else if (axis === "x") set(x + far * (dx + dy), y);
      else set(x, y + far * (dx + dy));
    });
    const place = () => {
      const [x, y] = get();
      element.style.left = `${plot().x(x)}px`;
      element.style.top = `${plot().y(y)}px`;
      element.setAttribute("aria-valuenow", axis === "y" ? y : x);
      element.setAttribute("aria-valuetext", words());
    };
    return { element, place };
  }

  /** A button. run(figure) does what it does; if it returns a function, that is called for every frame with the seconds
   * since the last one, until it returns false or the button, now called `busy`, is pressed again. If it returns a
   * promise, the next frame waits for that; its second argument is an AbortSignal that says when all is over. */
  button(key, label, run, busy = "Pause") {
    const button = make("button", { type: "button", class: `live-${key}` }, [label]);
    button.addEventListener("click", () => {
      const paused = this.running?.button === button;
      this.stop();
      if (!paused) this.start(run(this), button, label, busy);
    });
    this.buttons.append(button);
    return button;
  }

  start(frame, button = null, label = "", busy = "Pause") {
    if (typeof frame !== "function") return;
    this.running = { frame, button, label, last: null, waiting: false, ended: new AbortController() };
    if (button) button.textContent = busy;
    this.tick();
  }

  /** End what is running. */
  stop() {
    const { button, label, ended } = this.running ?? {};
    if (button) button.textContent = label;
    this.running = null;
    this.stale = true; // what waits for rest, such as words, is shown now
    this.tick();
    ended?.abort();
  }

  /** No frame before the promise is kept. */
  async wait(running, promise) {
    running.waiting = true;
    const more = await promise;
    running.waiting = false;
    if (this.running !== running) return;
    if (more === false) this.stop();
    this.stale = true;
    this.tick();
  }

  /** Ask for a frame, if there is something to do and somebody looks. */
  tick() {
    if (this.asked || !this.visible || !(this.stale || this.running?.waiting === false)) return;
    this.asked = requestAnimationFrame((now) => {
      this.asked = null;
      if (this.running?.waiting === false) {
        const { running } = this;
        // After a pause of any length the film goes on where it was.
        const seconds = running.last === null ? 0 : Math.min(0.1, (now - running.last) / 1000);
        running.last = now;
        const more = running.frame(seconds, running.ended.signal);
        if (more instanceof Promise) this.wait(running, more);
        else if (more === false) this.stop();
        this.stale = true;
      }
      if (this.stale) {
        this.stale = false;
        this.part.draw();
      }
      this.tick();
    });
  }

  /** Draw again when the figure comes into view, and when the page changes its colours. */
  watch() {
    new IntersectionObserver((entries) => {
      this.visible = entries.at(-1).isIntersecting;
      if (this.running) this.running.last = null;
      this.tick();
    }).observe(this.element);
    const again = () => {
      this.stale = true;
      this.tick();
    };
    const theme = new MutationObserver(again);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme", "class"] });
    theme.observe(document.body, { attributeFilter: ["data-jp-theme-light"] }); // of JupyterLab
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    addEventListener("beforeprint", () => this.part.draw());
  }

  /** What the figure shows, as numbers. */
  numbers() {
    return this.part.numbers();
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
