"use strict";
// Enlarges an image of the page: click or space bar opens it, arrows go on, Escape closes.
(() => {
  const large = document.getElementById("large");
  const place = large.querySelector(".large");
  let now = null; // the figure that is enlarged
  const show = (figure) => {
    now = figure;
    const copy = figure.cloneNode(true);
    const frame = document.createElement("div");
    frame.className = "frame";
    frame.append(...copy.querySelector(".frame").childNodes);
    copy.querySelector(".frame").replaceWith(frame);
    for (const caption of copy.querySelectorAll("figcaption")) caption.hidden = false;
    place.replaceChildren(copy);
    if (!large.open) large.showModal();
  };
  const step = (by) => {
    const all = [...document.querySelectorAll("body .shot")].filter((one) => !large.contains(one) && one.offsetParent);
    show(all[(all.indexOf(now) + by + all.length) % all.length]);
  };
  document.addEventListener("click", (event) => {
    const frame = event.target.closest(".shot button.frame");
    if (frame) show(frame.closest(".shot"));
    else if (event.target === large) large.close();
    else if (event.target.dataset.step) step(Number(event.target.dataset.step));
  });
  large.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") step(event.key === "ArrowLeft" ? -1 : 1);
  });
  large.addEventListener("close", () => now?.querySelector(".frame").focus());
  const count = document.getElementById("count");
  const tell = () => {
    const all = [...document.querySelectorAll("main .shot")];
    count.textContent = `${all.filter((one) => one.offsetParent).length} of ${all.length} images shown`;
  };
  if (count) {
    document.addEventListener("change", tell);
    document.addEventListener("reset", () => setTimeout(tell));
    tell();
  }
})();
