// Copying text and handing over files that this page made.
(function (bench) {
  "use strict";

  const { make } = bench.dom;

  function download(name, blob) {
    const link = make("a", { href: URL.createObjectURL(blob), download: name, hidden: true });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // Copies the text of a text area; says whether it could.
  async function copy(area) {
    try {
      await navigator.clipboard.writeText(area.value);
      return true;
    } catch (error) {
      area.select(); // without permission, or an old browser: the text is selected at least
      return document.execCommand("copy");
    }
  }

  bench.saving = { download, copy };
})(window.bench = window.bench || {});
