// The button that goes through the themes: system, light, dark.
(function () {
  "use strict";

  var THEMES = ["system", "light", "dark"];

  function readTheme() {
    return document.documentElement.dataset.theme || "system";
  }

  function storeTheme(theme) {
    try {
      if (theme === "system") localStorage.removeItem("theme");
      else localStorage.setItem("theme", theme);
    } catch (error) {
      // Storage may be switched off: the choice lasts for this page.
    }
  }

  function enableTheme(button) {
    var label = button.querySelector("span");
    label.textContent = readTheme();
    button.addEventListener("click", function () {
      var next = THEMES[(THEMES.indexOf(readTheme()) + 1) % THEMES.length];
      if (next === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
      storeTheme(next);
      label.textContent = next;
    });
    button.hidden = false;
  }

  enableTheme(document.getElementById("theme"));
})();
