// Starts the parts of this script on what the page has. Last, because it needs all of them.
(function (bench) {
  "use strict";

  document.querySelectorAll("[data-tools]").forEach((tools) => {
    bench.board.start(document.getElementById(tools.dataset.tools), tools);
  });
  bench.dom.whenRead(() => document.querySelectorAll("section[data-verify]").forEach(bench.verifyPanel.enableSection));
})(window.bench = window.bench || {});
