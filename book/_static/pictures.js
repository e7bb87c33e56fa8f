/* A picture in its full size, in a dialog. Without this script the link leads to the file. */
"use strict";

document.addEventListener("click", event => {
  const link = event.target.closest("a.full-size");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const dialog = document.createElement("dialog"), close = document.createElement("button");
  const frame = document.createElement("div"), picture = link.querySelector("img").cloneNode();
  dialog.className = "full-size";
  dialog.setAttribute("aria-label", "Picture in full size");
  close.type = "button";
  close.textContent = "Close";
  frame.className = "frame";
  frame.tabIndex = 0; // the arrows scroll it
  picture.removeAttribute("loading");
  frame.append(picture);
  dialog.append(close, frame);
  dialog.addEventListener("click", ({ target }) => { if (target === dialog || target === close) dialog.close(); });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
});
