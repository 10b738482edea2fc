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
        // Large ones keep their size and scroll, instead of being too small to read.
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
  window.mermaid = {
    initialize: (config) => { given = config; },
    render: async (id, text, ...rest) => (await load()).render(id, text, ...rest),
  };
})();
