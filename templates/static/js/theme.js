// Sets the chosen theme before the first paint; runs blocking in the head, so it does nothing else.
(function () {
  "use strict";
  try {
    var chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch (error) {
    // Storage may be switched off: the system's theme holds.
  }
})();
