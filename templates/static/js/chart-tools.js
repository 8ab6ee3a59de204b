// Charts as files: SVG and PNG of what is drawn, live or static, and the specification with its data.
(function (bench) {
  "use strict";

  const { make, button } = bench.dom;
  const PIXELS = 2; // of a PNG for each unit of the drawing

  function specOf(drawing) {
    return JSON.parse(document.getElementById(drawing.dataset.chart).textContent);
  }

  // Colors of the page mean nothing outside of it: each is replaced by what it is here and now.
  function resolver() {
    const probe = make("span", { hidden: true });
    document.body.append(probe);
    return {
      color(text) {
        probe.style.color = text;
        return getComputedStyle(probe).color;
      },
      end() { probe.remove(); },
    };
  }

  // The drawing as a document of its own, on the page's background. Returns { text, width, height }.
  function standalone(drawing) {
    const drawn = drawing.querySelector("svg");
    const [, , width, height] = (drawn.getAttribute("viewBox") || `0 0 ${drawn.clientWidth} ${drawn.clientHeight}`).split(/[ ,]+/).map(Number);
    const svg = drawn.cloneNode(true);
    svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    svg.setAttribute("width", width);
    svg.setAttribute("height", height);
    svg.removeAttribute("class");
    svg.removeAttribute("style");
    const back = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ width, height, fill: "var(--raised)" })) back.setAttribute(name, value);
    svg.prepend(back);
    const colors = resolver();
    const text = new XMLSerializer().serializeToString(svg)
      .replace(/var\(--[\w-]+\)/g, (found) => colors.color(found))
      .replace(/currentColor/gi, () => colors.color("var(--ink)"));
    colors.end();
    return { text, width, height };
  }

  function png({ text, width, height }) {
    return new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => {
        const canvas = make("canvas", { width: String(width * PIXELS), height: String(height * PIXELS) });
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        canvas.toBlob(resolve, "image/png");
      };
      image.onerror = reject;
      image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    });
  }

  function enable(drawing) {
    const name = drawing.dataset.chart.replace(/-spec$/, "");
    const save = async (suffix, blob) => bench.saving.download(`${name}.${suffix}`, await blob);
    const svg = () => save("svg", new Blob([standalone(drawing).text], { type: "image/svg+xml" }));
    const json = () => save("json", new Blob([JSON.stringify(specOf(drawing), null, 2) + "\n"], { type: "application/json" }));
    const buttons = [["SVG", svg], ["PNG", () => save("png", png(standalone(drawing)))], ["JSON", json]]
      .map(([text, listener]) => button(text, listener, { "aria-label": `Download this chart as ${text}` }));
    // Not parsed for this: a chart of 500 entries has a specification of 150 kB.
    const brush = document.getElementById(drawing.dataset.chart).textContent.includes('{"name": "brush"');
    const hint = brush ? [make("span", { class: "brush-hint", text: "Drag across dots to select their rows above." })] : [];
    drawing.closest(".chart").after(make("div", { class: "chart-files" }, make("span", { text: "Download" }), ...buttons, ...hint));
  }

  bench.dom.whenRead(() => document.querySelectorAll("[data-chart]").forEach(enable));
  bench.chartTools = { specOf, standalone };
})(window.bench = window.bench || {});
