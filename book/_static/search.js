/* The search: results as one types, section by section, from the index that Pagefind made (book/tools/sections.py).
   Where there is none, or a page was opened from a file, the form goes to Sphinx's search. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const html = document.documentElement;
  const top = new URL(html.dataset.content_root, location.href);
  if (!html.dataset.pagefind || top.protocol === "file:") return;

  // Words that say nothing about what is looked for.
  const COMMON = new Set(("a an and are as at be by can do does for from how i in instead into is it of on or rather " +
    "than that the this to trick use we what when where which why with you").split(" "));
  // What a reader looks for is taught in the chapters; the glossary says it short, the others are lists.
  const WORTH = [["book/glossary", 0.6], ["book/notation", 0.6], ["book/api", 0.4], ["book/references", 0.4]];
  const RANKING = { metaWeights: { title: 5, terms: 3, page: 1, href: 0 } };
  const SHOWN = 8;

  // Loaded when a search field is first used.
  let loading;
  const load = () => loading ??= import(new URL(html.dataset.pagefind, top)).then(async pagefind => {
    await pagefind.options({ excerptLength: 18, ranking: RANKING });
    return pagefind;
  });

  // The book writes "normalise".
  const spelt = word => word.length > 6 ? word.replace(/iz(?=(e|ed|er|es|ing|ations?)$)/, "is") : word;

  // A section need not have all of the words; a rare word counts for more than a common one.
  async function find(query) {
    const pagefind = await load();
    const all = query.toLowerCase().split(/[\s,.;:?!"“”]+/).filter(Boolean).map(spelt);
    const telling = all.filter(word => !COMMON.has(word));
    const found = new Map();
    for (const word of telling.length ? telling : all) {
      const { results } = await pagefind.search(word);
      for (const result of results) {
        const score = Math.log(1 + 1000 / results.length) * Math.sqrt(result.score / results[0].score);
        const before = found.get(result.id)?.score ?? 0;
        found.set(result.id, { result, score: before + score });
      }
    }
    const best = [...found.values()].sort((a, b) => b.score - a.score).slice(0, 3 * SHOWN);
    const weighed = await Promise.all(best.map(async ({ result, score }) => {
      const { meta, excerpt } = await result.data();
      const [, worth] = WORTH.find(([page]) => meta.href.startsWith(page)) ?? ["", 1];
      return { ...meta, excerpt, score: score * worth };
    }));
    return weighed.sort((a, b) => b.score - a.score).slice(0, SHOWN);
  }

  function line({ href, title, page, excerpt }) {
    const item = document.createElement("li"), link = document.createElement("a");
    link.href = new URL(href, top);
    for (const [name, text] of [["title", title], ["page", title.endsWith(page) ? "" : page]]) {
      const part = document.createElement("span");
      part.className = name;
      part.textContent = text;
      link.append(part, " ");
    }
    const about = document.createElement("p");
    about.innerHTML = excerpt; // Pagefind escapes it, and marks the words
    item.append(link, about);
    return item;
  }

  for (const form of document.querySelectorAll("form.bd-search")) {
    const field = form.querySelector("input");
    const said = document.createElement("p"), list = document.createElement("ol");
    said.className = "search-said";
    said.setAttribute("role", "status");
    list.className = "search-found";
    form.after(said, list);

    let asked = 0;
    async function show() {
      const query = field.value.trim(), mine = ++asked;
      const found = query ? await find(query).catch(() => null) : [];
      if (mine !== asked) return false; // the reader has typed on
      list.replaceChildren(...(found ?? []).map(line));
      list.setAttribute("aria-label", `Found for ${query}`);
      said.textContent = !query ? "" : !found ? "The search could not be loaded. Enter asks for a list of pages."
        : !found.length ? "Nothing found." : found.length === SHOWN ? `The best ${SHOWN}:` : `${found.length} found:`;
      return Boolean(found);
    }
    let pause;
    field.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(show, 120); });
    field.addEventListener("focus", () => load().catch(() => {}));

    // Enter goes to the first; the arrows go through the field and the links, as does Tab.
    form.addEventListener("submit", async event => {
      event.preventDefault();
      clearTimeout(pause);
      if (!field.value.trim()) return;
      if (await show()) list.querySelector("a")?.click();
      else form.submit();
    });
    form.parentElement.addEventListener("keydown", event => {
      if (event.key === "Escape") form.closest("dialog")?.close(); // the browser would only empty the field
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const stops = [field, ...list.querySelectorAll("a")], at = stops.indexOf(document.activeElement);
      if (!step || at < 0) return;
      event.preventDefault();
      stops[Math.min(Math.max(at + step, 0), stops.length - 1)].focus();
    });
    list.addEventListener("click", event => {
      if (event.target.closest("a")) form.closest("dialog")?.close(); // the section may be on this page
    });
    const query = new URLSearchParams(location.search).get("q");
    if (query && !form.closest("dialog")) {
      field.value = query;
      show();
    }
  }
});
