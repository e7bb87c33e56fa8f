// The digits' network where it is read: ONNX Runtime in two workers, brought when it is asked for.
//
// A page of the book says where it is in `diffusion_lab_engine`: {at, version, bytes: {name: its bytes}}, or {missing}
// with the reason if the book was built without. A notebook has neither. See book/tools/engine.py.

const RUNTIME = "ort-wasm-simd-threaded.wasm";
const NETWORK = "mnist-conditional.onnx";
const WORKERS = 2;
const IN_A_NOTEBOOK =
  "The engine that makes new digits in a browser is on this chapter's page of the published book. " +
  "Here, the Python below makes them.";
const FROM_A_DISK =
  "A browser does not run the engine that makes new digits for a page opened from a disk. " +
  "In the folder of the book run `python -m http.server` and open the address that it prints.";

/** Why there is no engine here, in words; or undefined if there is one. */
export function missing() {
  const here = globalThis.diffusion_lab_engine;
  if (!here) return IN_A_NOTEBOOK;
  if (here.missing) return `The engine that makes new digits is not in this copy of the book: ${here.missing}.`;
  return location.protocol === "file:" ? FROM_A_DISK : undefined;
}

/** How many bytes there are to bring. */
export function weight() {
  const { bytes } = globalThis.diffusion_lab_engine;
  return bytes[RUNTIME] + bytes[NETWORK];
}

/** The bytes of a file; came(n) is told of each piece. A file that is cut short is an error. */
async function download(name, came, signal) {
  const { at, version, bytes } = globalThis.diffusion_lab_engine;
  const response = await fetch(`${at}${name}?v=${version}`, { signal });
  if (!response.ok) throw new Error(`the server answered ${response.status} for ${name}`);
  const whole = new Uint8Array(bytes[name]);
  const reader = response.body.getReader();
  let length = 0;
  for (let piece; !(piece = await reader.read()).done; length += piece.value.length) {
    if (length + piece.value.length > whole.length) throw new Error(`${name} is longer than it should be`);
    whole.set(piece.value, length);
    came(piece.value.length);
  }
  if (length < whole.length) throw new Error(`${name} is cut short`);
  return whole;
}

export class Engine {
  constructor() {
    const { at, version } = globalThis.diffusion_lab_engine;
    const start = () => new Worker(`${at}worker.js?v=${version}`, { type: "module" });
    this.workers = Array.from({ length: WORKERS }, start);
    this.last = Promise.resolve();
  }

  /** An engine that is ready; progress(bytes) is told how many have come, signal ends it all. */
  static async load(progress, signal) {
    let bytes = 0;
    const came = (more) => progress((bytes += more));
    const [wasm, network] = await Promise.all([RUNTIME, NETWORK].map((name) => download(name, came, signal)));
    const engine = new Engine();
    const close = () => engine.close();
    signal.addEventListener("abort", close);
    try {
      await Promise.all(engine.workers.map((worker) => ask(worker, { wasm, network })));
    } catch (error) {
      close();
      throw error;
    }
    signal.removeEventListener("abort", close);
    return engine;
  }

  /** The network's answer: each worker works out a share of the batch. One call at a time. */
  forward(x_t, t, labels) {
    const answer = async () => {
      const share = Math.ceil(labels.length / this.workers.length);
      const size = x_t.length / labels.length;
      const parts = this.workers.map((worker, i) => {
        const told = labels.slice(i * share, (i + 1) * share);
        const x = x_t.slice(i * share * size, (i + 1) * share * size);
        return told.length ? ask(worker, { x_t: Float32Array.from(x), t, labels: told }) : [];
      });
      const out = new Float32Array(x_t.length);
      (await Promise.all(parts)).forEach((part, i) => out.set(part, i * share * size));
      return out;
    };
    const next = this.last.then(answer);
    this.last = next.catch(() => {});
    return next;
  }

  close() {
    for (const worker of this.workers) worker.terminate();
  }
}

/** A message to a worker, and its answer. */
function ask(worker, message) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => ("error" in data ? reject(new Error(data.error)) : resolve(data.answer));
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message ?? "a part of it could not be loaded"));
    };
    worker.postMessage(message);
  });
}
