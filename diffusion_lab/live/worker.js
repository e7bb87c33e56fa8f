// The digits' network in a thread of its own; the book puts this file beside the engine, see engine.js.

import * as ort from "./ort.wasm.bundle.min.js";

ort.env.wasm.numThreads = 1; // more would need headers that a plain host does not send
let session;

async function answer({ wasm, network, x_t, t, labels }) {
  if (network) {
    ort.env.wasm.wasmBinary = wasm;
    session = await ort.InferenceSession.create(network, { executionProviders: ["wasm"] });
    return undefined;
  }
  const n = labels.length;
  const whole = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [n]);
  const side = Math.sqrt(x_t.length / n);
  const out = await session.run({
    x_t: new ort.Tensor("float32", x_t, [n, 1, side, side]),
    t: whole(new Array(n).fill(t)),
    labels: whole(labels),
  });
  return out[session.outputNames[0]].data;
}

addEventListener("message", async ({ data }) => {
  try {
    postMessage({ answer: await answer(data) });
  } catch (error) {
    postMessage({ error: String(error?.message ?? error) });
  }
});
