// What a reader can set: each field reads a value from text, writes it as text, and makes its control.
// Text that means nothing is undefined and changes nothing; a number out of range becomes the nearest one in range.

/** A number from min to max, by a slider and a box to type in. */
export function number({ label, min, max, step = 1, initial, log = false, unit = "", hidden = false }) {
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const to_slider = (value) => (log ? Math.log(value) : value);
  const fit = (value) => +Math.min(max, Math.max(min, min + Math.round((value - min) / step) * step)).toFixed(places);
  const field = {
    label,
    initial,
    hidden,
    read: (text) => (String(text).trim() === "" || !Number.isFinite(+text) ? undefined : fit(+text)),
    write: (value) => String(value),
    control(figure, name) {
      const slider = make("input", { type: "range", "aria-label": label });
      Object.assign(slider, { min: to_slider(min), max: to_slider(max), step: log ? "any" : step });
      const box = make("input", { type: "number", min, max, step, "aria-label": `${label}, as a number` });
      slider.addEventListener("input", () => {
        figure.set({ [name]: fit(log ? Math.exp(+slider.value) : +slider.value) });
      });
      slider.addEventListener("keydown", (event) => {
        if (log && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
          event.preventDefault();
          const factor = 1.1 ** (event.key === "ArrowRight" ? 1 : -1);
          figure.set({ [name]: fit(figure.state[name] * factor) });
        }
      });
      box.addEventListener("change", () => {
        const value = field.read(box.value);
        if (value === undefined || value !== +box.value) figure.say(`${label}: from ${min} to ${max}.`);
        figure.set({ [name]: value ?? figure.state[name] });
      });
      const show = (value) => {
        slider.value = to_slider(value);
        slider.setAttribute("aria-valuetext", `${value}${unit && ` ${unit}`}`);
        box.value = field.write(value);
      };
      return { element: make("div", { class: "live-field" }, [make("span", {}, [label]), slider, box]), show };
    },
  };
  return field;
}

/** One of several: options is {value: words}. */
export function choice({ label, options, initial, hidden = false }) {
  return {
    label,
    initial,
    hidden,
    read: (text) => (Object.hasOwn(options, text) ? String(text) : undefined),
    write: (value) => value,
    control(figure, name) {
      const select = make("select", { "aria-label": label });
      for (const [value, words] of Object.entries(options)) select.append(make("option", { value }, [words]));
      select.addEventListener("change", () => figure.set({ [name]: select.value }));
      const show = (value) => (select.value = value);
      return { element: make("label", { class: "live-field" }, [make("span", {}, [label]), select]), show };
    },
  };
}

/** Yes or no. */
export function toggle({ label, initial }) {
  return {
    label,
    initial,
    read: (text) => ({ true: true, false: false })[text],
    write: String,
    control(figure, name) {
      const box = make("input", { type: "checkbox" });
      box.addEventListener("change", () => figure.set({ [name]: box.checked }));
      const show = (value) => (box.checked = value);
      return { element: make("label", { class: "live-field" }, [box, make("span", {}, [label])]), show };
    },
  };
}

/** Between least and most numbers, from min to max: set by dragging, written as 1.5~2~3. */
export function numbers({ label, min, max, initial, least = 1, most = 100_000, places = 3 }) {
  return {
    label,
    initial,
    hidden: true,
    read(text) {
      const values = (Array.isArray(text) ? text : String(text).split("~")).map((each) => (each === "" ? NaN : +each));
      if (values.length < least || values.length > most || !values.every(Number.isFinite)) return undefined;
      return values.map((value) => +Math.min(max, Math.max(min, value)).toFixed(places));
    },
    write: (values) => values.join("~"),
  };
}

/** An element with attributes and children. */
export function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
