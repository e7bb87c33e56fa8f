/* MathJax comes when the page is there, and sets a formula when it comes near the window (its extension ui/lazy). The
   others are set here, a few at a time, after the first look and while the browser has nothing else to do: for screen
   readers, and so that the page no longer moves. */
"use strict";

if (window.MathJax) {
  const whenIdle = window.requestIdleCallback ?? (next => setTimeout(next, 50));
  function setMore() {
    const { lazyList, lazySet } = MathJax.startup.document;
    const waiting = [...lazyList.items].filter(([, formula]) => formula.lazyTypeset).slice(0, 5);
    if (!waiting.length) return;
    for (const [id] of waiting) lazySet.add(id);
    MathJax.startup.document.lazyHandleSet();
    MathJax.startup.document.lazyPromise.then(() => whenIdle(setMore));
  }
  MathJax.startup = { pageReady: () => MathJax.startup.defaultPageReady().then(() => setTimeout(setMore, 5000)) };
  const { mathjax } = document.currentScript.dataset;
  addEventListener("load", () => {
    const script = document.createElement("script");
    script.src = mathjax;
    document.head.append(script);
  });
}
