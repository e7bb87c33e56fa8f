// What a reader can set: each field reads a value from text, writes it as text, and makes its control.
// Text that means nothing is undefined and changes nothing; a number out of range becomes the nearest one in range.

/** A number from min to max, by a slider and a box to type in; most(state): the largest that it may be now. */
export function number({ label, min, max, step = 1, initial, log = false, unit = "", most, ...rest }) {
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const to_slider = (value) => (log ? Math.log(value) : value);
  const fit = (value) => +Math.min(max, Math.max(min, min + Math.round((value - min) / step) * step)).toFixed(places);
  const field = {
    label,
    initial,
    most,
    ...rest,
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
        const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
        if (!log || !way) return;
        event.preventDefault();
        const value = figure.state[name];
        figure.set({ [name]: fit(value + way * Math.max(0.1 * value, step)) });
      });
      box.addEventListener("change", () => {
        const value = field.read(box.value);
        if (value === undefined || value !== +box.value) figure.say(`${label}: from ${min} to ${max}.`);
        figure.set({ [name]: value ?? figure.state[name] });
      });
      const show = (value, state) => {
        box.max = most ? most(state) : max;
        slider.max = to_slider(+box.max);
        slider.value = to_slider(value);
        slider.setAttribute("aria-valuetext", `${value}${unit && ` ${unit}`}`);
        box.value = field.write(value);
      };
      return { element: make("div", { class: "live-field" }, [make("span", {}, [label]), slider, box]), show };
    },
  };
  return field;
}

/** One of several: options is {value: words}; open: all of them are seen at once. */
export function choice({ label, options, initial, open = false, ...rest }) {
  return {
    label,
    initial,
    ...rest,
    read: (text) => (Object.hasOwn(options, text) ? String(text) : undefined),
    write: (value) => value,
    control(figure, name) {
      if (open) return radios(figure, name, label, options);
      const select = make("select", { "aria-label": label });
      for (const [value, words] of Object.entries(options)) select.append(make("option", { value }, [words]));
      select.addEventListener("change", () => figure.set({ [name]: select.value }));
      const show = (value) => (select.value = value);
      return { element: make("label", { class: "live-field" }, [make("span", {}, [label]), select]), show };
    },
  };
}

function radios(figure, name, label, options) {
  const group = `live-${figure.name}-${name}`;
  const buttons = Object.keys(options).map((value) => make("input", { type: "radio", name: group, value }));
  for (const button of buttons) button.addEventListener("change", () => figure.set({ [name]: button.value }));
  const show = (value) => buttons.forEach((button) => (button.checked = button.value === value));
  const labels = buttons.map((button) => make("label", {}, [button, make("span", {}, [options[button.value]])]));
  return { element: make("fieldset", { class: "live-options" }, [make("legend", {}, [label]), ...labels]), show };
}

/** Yes or no. */
export function toggle({ label, initial, ...rest }) {
  return {
    label,
    initial,
    ...rest,
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
