/* A deck: MathJax sets its formulas, those that are too wide are made smaller, and then reveal.js shows it. */
"use strict";

const LARGEST = 60, SMALLEST = 32; // of a formula on a line of its own, in pixels; slides.css has the first too

// Notes go to a window of their own, which has no MathJax: there a formula is MathML, which browsers set themselves.
function setNotes() {
  for (const formula of document.querySelectorAll("aside.notes .math")) {
    const tex = formula.textContent.trim();
    formula.innerHTML = MathJax.tex2mml(tex.slice(2, -2), { display: tex.startsWith("\\[") });
  }
}

// All are measured at their largest before any is changed: so the page is laid out once.
function fit() {
  const sum = numbers => numbers.reduce((a, b) => a + b, 0);
  const boxes = [...document.querySelectorAll(".formulas")];
  const shares = boxes.map(box => {
    const formulas = [...box.querySelectorAll("mjx-math")].map(one => [one, one.closest(".math")]);
    const across = formulas.map(([one, room]) => room.offsetWidth / one.offsetWidth);
    return Math.min(1, ...across, box.offsetHeight / sum([...box.children].map(row => row.offsetHeight)));
  });
  boxes.forEach((box, i) => {
    box.style.fontSize = `${Math.max(SMALLEST, Math.floor(LARGEST * shares[i]))}px`;
  });
}

window.MathJax = {
  loader: { load: ["core", "input/tex", "output/chtml", "a11y/assistive-mml"] },
  options: { ignoreHtmlClass: "notes" },
  chtml: { matchFontHeight: false },
  startup: {
    pageReady: async () => {
      await MathJax.startup.defaultPageReady();
      await document.fonts.ready;
      setNotes();
      fit();
      await Reveal.initialize({
        width: 1280,
        height: 720,
        margin: 0,
        center: false,
        hash: true,
        slideNumber: "c/t",
        transition: "none",
        backgroundTransition: "none",
        pdfMaxPagesPerSlide: 1,
        pdfPageHeightOffset: 0,
        plugins: [RevealNotes],
      });
      document.documentElement.classList.add("ready");
    },
  },
};
