// Boxes that scroll sideways can be reached with the keyboard. (The theme does this for code, outputs and tables; here formulas and
// signatures follow.) A formula inside a line of text that is wider than the column gets a line of its own, where it can scroll.
(function () {
  function overflows(box) {
    return box.scrollWidth > box.clientWidth + 1;
  }
  function mark(box, label) {
    box.classList.add("lawrob-scroll");
    box.tabIndex = 0;
    if (label) {
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", label + ", scrolls sideways");
    }
  }
  function clear() {
    document.querySelectorAll(".lawrob-scroll").forEach((box) => {
      box.classList.remove("lawrob-scroll");
      ["tabindex", "role", "aria-label"].forEach((name) => box.removeAttribute(name));
    });
  }
  function update() {
    clear();
    document.querySelectorAll('mjx-container[display="true"]').forEach((box) => overflows(box) && mark(box, "Formula"));
    document.querySelectorAll("dl.py > dt.sig").forEach((box) => overflows(box) && mark(box) /* a term of a list can have no other role */);
    document.querySelectorAll("span.math").forEach((span) => {
      const formula = span.querySelector("mjx-math");
      if (formula && formula.getBoundingClientRect().width > column(span)) mark(span, "Formula");
    });
  }
  function column(span) {
    let box = span.parentElement;
    while (getComputedStyle(box).display === "inline") box = box.parentElement;
    const style = getComputedStyle(box);
    return box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight) || Infinity;
  }
  let waiting;
  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(update, 150);
  }
  window.addEventListener("load", () => {
    const typeset = window.MathJax && window.MathJax.startup && window.MathJax.startup.promise;
    Promise.resolve(typeset).then(update);
  });
  window.addEventListener("resize", soon);
  document.addEventListener("toggle", soon, true);
  document.addEventListener("click", (event) => event.target.closest(".admonition-title, summary") && soon());
})();
