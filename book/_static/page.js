/* What moves around the text: light and dark, the two lists at the sides, the search field, and the list of sections,
   which follows the reader. Everything here is a help; the page reads without it. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const html = document.documentElement;
  const one = selector => document.querySelector(selector);
  const all = selector => [...document.querySelectorAll(selector)];
  // From a file, or in a private window, a browser may keep nothing: then the choice lasts as long as the page.
  const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* so be it */ } };

  // ---- light and dark ----
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const NAMES = { light: "Light", dark: "Dark", auto: "Auto" };
  function setMode(mode) {
    html.dataset.mode = mode;
    html.dataset.theme = mode === "auto" ? (prefersDark.matches ? "dark" : "light") : mode;
    for (const button of all(".theme-switch-button")) {
      button.querySelector("span").textContent = NAMES[mode];
      button.title = "Colours: light, dark, or as your system has them";
    }
  }
  setMode(html.dataset.mode in NAMES ? html.dataset.mode : "auto");
  prefersDark.addEventListener("change", () => setMode(html.dataset.mode));
  for (const button of all(".theme-switch-button")) {
    button.addEventListener("click", () => {
      const order = prefersDark.matches ? ["auto", "light", "dark"] : ["auto", "dark", "light"];
      setMode(order[(order.indexOf(html.dataset.mode) + 1) % 3]);
      keep("mode", html.dataset.mode);
    });
  }

  // ---- the lists at the sides: beside the text where there is room, else in a dialog ----
  function closeOnBackdrop(dialog) {
    dialog.addEventListener("click", event => {
      const box = dialog.getBoundingClientRect();
      const inside = event.clientX >= box.left && event.clientX <= box.right
        && event.clientY >= box.top && event.clientY <= box.bottom;
      if (event.target === dialog && !inside) dialog.close();
    });
  }
  function sidebar(toggle, side, dialog, besideFrom) {
    if (!toggle || !side) return;
    const beside = matchMedia(`(min-width: ${besideFrom}px)`);
    const say = () => toggle.setAttribute("aria-expanded", beside.matches
      ? !html.classList.contains(`${side.id}-hidden`) : dialog.open);
    toggle.addEventListener("click", () => {
      if (beside.matches) {
        html.classList.toggle(`${side.id}-hidden`);
      } else {
        dialog.append(...side.children);
        dialog.showModal();
        follow();
      }
      say();
    });
    dialog.addEventListener("close", () => {
      side.append(...dialog.children);
      say();
    });
    dialog.addEventListener("click", event => {
      if (event.target.closest("a, .dialog-close")) dialog.close();
    });
    closeOnBackdrop(dialog);
    beside.addEventListener("change", () => dialog.open ? dialog.close() : say());
    say();
  }
  const primary = one("#pst-primary-sidebar");
  sidebar(one(".primary-toggle"), primary, one("#pst-primary-sidebar-modal"), 992);
  sidebar(one(".secondary-toggle"), one("#pst-secondary-sidebar"), one("#pst-secondary-sidebar-modal"), 1200);

  // The chapter that is being read is in sight in the list of chapters.
  const here = primary && primary.querySelector("a.current");
  if (here && here.offsetTop > primary.clientHeight - 80) primary.scrollTop = here.offsetTop - primary.clientHeight / 2;

  // ---- search ----
  const search = one("#pst-search-dialog");
  const onPage = one("main form.bd-search input");
  function openSearch() {
    all("dialog[open]").filter(dialog => dialog !== search).forEach(dialog => dialog.close());
    if (onPage) { onPage.focus(); onPage.select(); } else if (!search.open) search.showModal();
  }
  if (search) {
    closeOnBackdrop(search);
    all(".search-button__button").forEach(button => button.addEventListener("click", openSearch));
    addEventListener("keydown", event => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
      event.preventDefault();
      if (search.open) search.close(); else openSearch();
    });
    if (/Mac|iPhone|iPad/.test(navigator.platform)) {
      for (const key of all("kbd")) if (key.textContent === "Ctrl K") key.textContent = "⌘ K";
    }
    if (onPage) onPage.focus();
  }

  // ---- the list of sections follows the reader ----
  const entries = all("#pst-page-toc-nav a[href^='#']").flatMap(link => {
    const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    return section ? [{ link, heading: section.querySelector("h2, h3, h4") || section }] : [];
  });
  let current = null;
  function follow() {
    const passed = entries.filter(entry => entry.heading.getBoundingClientRect().top < 140);
    const now = passed.length ? passed[passed.length - 1].link : null;
    if (now !== current) {
      current?.removeAttribute("aria-current");
      now?.setAttribute("aria-current", "location");
      all(".toc-entry.active").forEach(item => item.classList.remove("active"));
      for (let item = now?.closest(".toc-entry"); item; item = item.parentElement.closest(".toc-entry")) {
        item.classList.add("active");
      }
      current = now;
    }
    const list = now?.closest(".page-toc");
    if (!list) return;
    const above = now.getBoundingClientRect().top - list.getBoundingClientRect().top;
    if (above < 30 || above > list.clientHeight - 60) list.scrollTop += above - list.clientHeight / 3;
  }
  if (entries.length) {
    let waiting = false;
    addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; follow(); });
    }, { passive: true });
    follow();
  }

  // ---- what scrolls sideways can be reached by the keyboard ----
  function reach() {
    for (const box of all("pre, .pst-scrollable-table-container, .cell_output .output, div.math")) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      if (scrolls) box.tabIndex = 0; else box.removeAttribute("tabindex");
      box.classList.toggle("scrolls", scrolls);
    }
  }
  let later;
  const reachSoon = () => { clearTimeout(later); later = setTimeout(reach, 200); };
  addEventListener("resize", reachSoon);
  addEventListener("load", reach);
  const formulas = new MutationObserver(reachSoon); // they are set when they come near
  for (const formula of all("div.math")) formulas.observe(formula, { childList: true, subtree: true });
  reach();

  // ---- on paper nothing is folded; what was open before is open after ----
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("main details:not([open])");
    opened.forEach(details => { details.open = true; });
  });
  addEventListener("afterprint", () => opened.forEach(details => { details.open = false; }));
});
