// Live charts in place of static drawings, as they come into view.
(function () {
  "use strict";

  var bundleUrl = document.currentScript.dataset.charts;
  var bundle = null;

  function loadBundle() {
    if (!bundle) {
      bundle = new Promise(function (resolve, reject) {
        var script = document.createElement("script");
        script.src = bundleUrl;
        script.onload = resolve;
        script.onerror = reject;
        document.head.appendChild(script);
      });
    }
    return bundle;
  }

  function drawChart(drawing) {
    var spec = JSON.parse(document.getElementById(drawing.dataset.chart).textContent);
    var live = document.createElement("div");
    var options = { ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: { disableDefaultStyle: true } };
    return loadBundle()
      .then(function () { return window.vegaEmbed(live, spec, options); })
      .then(function () {
        drawing.replaceChildren(live);
        drawing.dataset.live = "yes";
      })
      .catch(function () {
        drawing.dataset.live = "no"; // The static drawing stays.
      });
  }

  function enableCharts(drawings) {
    if (!("IntersectionObserver" in window)) return;
    var observer = new IntersectionObserver(function (entries) {
      entries.filter(function (entry) { return entry.isIntersecting; }).forEach(function (entry) {
        observer.unobserve(entry.target);
        drawChart(entry.target);
      });
    });
    drawings.forEach(function (drawing) { observer.observe(drawing); });
  }

  enableCharts(document.querySelectorAll("[data-chart]"));
})();
