// Boxes that scroll sideways can be reached with the keyboard: formulas and signatures get a tab stop while they overflow.
// (The theme does the same for code, outputs and tables.)
(function () {
  const boxes = "div.math, dl.py > dt.sig";
  function update() {
    document.querySelectorAll(boxes).forEach((box) => {
      if (box.scrollWidth > box.clientWidth + 1) {
        box.tabIndex = 0;
        box.classList.add("lawrob-scroll");
        if (box.matches("div.math")) {
          box.setAttribute("role", "group");
          box.setAttribute("aria-label", "Formula, scrolls sideways");
        }
      } else if (box.classList.contains("lawrob-scroll")) {
        ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
        box.classList.remove("lawrob-scroll");
      }
    });
  }
  let waiting;
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(update, 200);
  };
  window.addEventListener("load", () => {
    const ready = window.MathJax && window.MathJax.startup && window.MathJax.startup.promise;
    Promise.resolve(ready).then(update);
  });
  window.addEventListener("resize", soon);
  document.addEventListener("toggle", soon, true);
})();
