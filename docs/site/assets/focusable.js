// Code and tables that scroll sideways can be reached and scrolled by keyboard, at any width. The
// theme cares for code only where a pointer can hover, and takes the attribute away everywhere else.
(function () {
  const reach = (box) => {
    if (box.scrollWidth > box.clientWidth && !box.hasAttribute("tabindex")) box.tabIndex = 0;
  };
  const resized = new ResizeObserver((entries) => entries.forEach(({ target }) => reach(target)));
  const changed = new MutationObserver((records) => records.forEach(({ target }) => reach(target)));
  const watch = () => {
    for (const box of document.querySelectorAll(".md-typeset pre > code, .md-typeset__scrollwrap")) {
      resized.observe(box);
      changed.observe(box, { attributes: true, attributeFilter: ["tabindex"] });
    }
  };
  watch();
  // The theme puts tables into boxes that scroll after this has run.
  addEventListener("load", watch);
})();
