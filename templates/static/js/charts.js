// Live charts in place of static drawings, as they come into view; what is brushed in one is announced to the page.
(function (bench) {
  "use strict";

  const bundleUrl = document.currentScript.dataset.charts;
  let bundle = null;

  function loadBundle() {
    if (!bundle) {
      bundle = new Promise((resolve, reject) => {
        const script = document.createElement("script");
        script.src = bundleUrl;
        script.onload = resolve;
        script.onerror = reject;
        document.head.appendChild(script);
      });
    }
    return bundle;
  }

  function drawChart(drawing) {
    const spec = bench.chartTools.specOf(drawing);
    const live = document.createElement("div");
    const options = { ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true } };
    return loadBundle()
      .then(() => window.vegaEmbed(live, spec, options))
      .then((result) => {
        drawing.replaceChildren(live);
        drawing.dataset.live = "yes";
        followBrush(result.view, spec);
      })
      .catch(() => {
        drawing.dataset.live = "no"; // The static drawing stays.
      });
  }

  // A chart with a parameter named `brush`, whose rows carry `slug`, selects rows of the board.
  function followBrush(view, spec) {
    if (!hasBrush(spec)) return;
    const rows = dataRows(spec);
    let frame = 0;
    view.addSignalListener("brush", (_, ranges) => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(() => {
        document.dispatchEvent(new CustomEvent("bench:brush", { detail: { slugs: brushed(rows, ranges) } }));
      });
    });
  }

  function hasBrush(part) {
    if (Array.isArray(part)) return part.some(hasBrush);
    if (!part || typeof part !== "object") return false;
    if ((part.params || []).some((parameter) => parameter.name === "brush")) return true;
    return ["layer", "hconcat", "vconcat", "concat", "spec"].some((name) => hasBrush(part[name]));
  }

  function dataRows(part) {
    if (Array.isArray(part)) return part.flatMap(dataRows);
    if (!part || typeof part !== "object") return [];
    const own = Object.values(part.datasets || {}).concat([(part.data && part.data.values) || []]).flat();
    return own.concat(["layer", "hconcat", "vconcat", "concat", "spec"].flatMap((name) => dataRows(part[name])));
  }

  // ranges: by field, its lowest and highest brushed value; nothing is brushed without any.
  function brushed(rows, ranges) {
    const fields = Object.entries(ranges || {}).filter(([, range]) => Array.isArray(range) && range.length === 2);
    if (!fields.length) return [];
    const inside = (row) => fields.every(([field, range]) => row[field] >= Math.min(...range) && row[field] <= Math.max(...range));
    return [...new Set(rows.filter((row) => row.slug && inside(row)).map((row) => row.slug))];
  }

  function enableCharts(drawings) {
    if (!("IntersectionObserver" in window)) return;
    const observer = new IntersectionObserver((entries) => {
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
        observer.unobserve(entry.target);
        drawChart(entry.target);
      });
    });
    drawings.forEach((drawing) => observer.observe(drawing));
  }

  bench.dom.whenRead(() => enableCharts(document.querySelectorAll("[data-chart]")));
})(window.bench = window.bench || {});
