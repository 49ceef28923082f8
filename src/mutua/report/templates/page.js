// What holds for the whole page: everything is open on paper, and graphs fit narrow screens.
(() => {
  "use strict";
  const SMALLEST = 0.68; // graphs are drawn at least this large, then they scroll

  const fit = (box) => {
    if (!box.clientWidth) return; // in details that are closed
    const svg = box.querySelector("svg.graph");
    if (svg) {
      const { width, height } = svg.viewBox.baseVal;
      const room = box.closest(".graphs").parentElement.clientWidth;
      const scale = Math.min(1, Math.max(SMALLEST, room / width));
      svg.setAttribute("width", width * scale);
      svg.setAttribute("height", height * scale);
      box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2;
    }
    // Only what scrolls is worth a stop of the keyboard.
    if (box.scrollWidth > box.clientWidth + 1) box.setAttribute("tabindex", "0");
    else box.removeAttribute("tabindex");
  };
  const fitAll = () => document.querySelectorAll(".scroll").forEach(fit);
  fitAll();
  window.addEventListener("resize", fitAll);
  for (const details of document.querySelectorAll("details"))
    details.addEventListener("toggle", () => details.querySelectorAll(".scroll").forEach(fit));

  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open]):not(.still)")];
    for (const details of closed) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
    closed = [];
  });
})();
