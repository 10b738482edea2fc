// Code, tables and diagrams that scroll sideways can be reached and scrolled by keyboard, at any
// width. The theme cares for code alone, only where a pointer can hover, and takes the attribute away
// everywhere else.
(function () {
  const reach = (box) => {
    if (box.scrollWidth > box.clientWidth && !box.hasAttribute("tabindex")) box.tabIndex = 0;
  };
  const resized = new ResizeObserver((entries) => entries.forEach(({ target }) => reach(target)));
  const changed = new MutationObserver((records) => records.forEach(({ target }) => reach(target)));
  const known = new WeakSet();
  const watch = () => {
    const boxes = ".md-typeset pre > code, .md-typeset__scrollwrap, .md-typeset div.mermaid";
    for (const box of document.querySelectorAll(boxes)) {
      if (known.has(box)) continue;
      known.add(box);
      resized.observe(box);
      changed.observe(box, { attributes: true, attributeFilter: ["tabindex"] });
    }
  };
  watch();
  // The theme puts tables into boxes, and diagrams into their places, after this has run.
  new MutationObserver(watch).observe(document.body, { childList: true, subtree: true });
})();
