// Diagrams are drawn by the copy of Mermaid beside this file, loaded where a page has a diagram:
// the theme takes whatever is called `mermaid`, and would else fetch it from elsewhere.
(function () {
  const base = new URL("mermaid.min.js", document.currentScript.src);
  let given = {};
  let real;
  function load() {
    real ??= new Promise((resolve, reject) => {
      const mine = window.mermaid;
      const script = document.createElement("script");
      script.src = base;
      script.onload = () => {
        const loaded = window.mermaid;
        window.mermaid = mine;
        // Sizes are those of the diagram; `fitting` below lets it shrink.
        const whole = { useMaxWidth: false };
        loaded.initialize({
          ...given,
          flowchart: { ...given.flowchart, ...whole },
          sequence: { ...given.sequence, ...whole },
        });
        resolve(loaded);
      };
      script.onerror = () => reject(new Error("no Mermaid beside the page"));
      document.head.append(script);
    });
    return real;
  }
  // A large one shrinks to the room that there is, but not until it is too small to read: then it
  // scrolls.
  const least = 0.6;
  function fitting(drawn) {
    const box = new DOMParser().parseFromString(drawn.svg, "text/html").querySelector("svg");
    const width = box.viewBox.baseVal.width;
    if (width) {
      box.removeAttribute("height");
      box.setAttribute("width", "100%");
      box.style.maxWidth = `${width}px`;
      box.style.minWidth = `${Math.round(width * least)}px`;
    }
    return { ...drawn, svg: box.outerHTML };
  }
  window.mermaid = {
    initialize: (config) => { given = config; },
    render: async (id, text, ...rest) => fitting(await (await load()).render(id, text, ...rest)),
  };
})();
