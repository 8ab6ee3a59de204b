// Compares two to six entries of a protocol, from the values in the page, as `bench compare` does.
(function () {
  "use strict";

  var SVG = "http://www.w3.org/2000/svg";
  var MINUS = "\u2212";
  var SLACK = 1e-9;
  var ORDINALS = ["First", "Second", "Third", "Fourth", "Fifth", "Sixth"];

  // Statistics. Student's t by the incomplete beta function, after its continued fraction.

  function logGamma(x) {
    var parts = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5];
    var base = x + 5.5 - (x + 0.5) * Math.log(x + 5.5);
    var series = parts.reduce(function (sum, part, index) { return sum + part / (x + 1 + index); }, 1.000000000190015);
    return -base + Math.log(2.5066282746310005 * series / x);
  }

  function betaFraction(a, b, x) {
    var tiny = 1e-300;
    var c = 1;
    var d = 1 / (Math.abs(1 - (a + b) * x / (a + 1)) < tiny ? tiny : 1 - (a + b) * x / (a + 1));
    var value = d;
    for (var m = 1; m <= 300; m += 1) {
      [m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))].forEach(function (step) {
        d = 1 + step * d;
        c = 1 + step / c;
        d = 1 / (Math.abs(d) < tiny ? tiny : d);
        c = Math.abs(c) < tiny ? tiny : c;
        value *= d * c;
      });
      if (Math.abs(d * c - 1) < 1e-15) break;
    }
    return value;
  }

  function incompleteBeta(a, b, x) {
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    var front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log(1 - x));
    if (x < (a + 1) / (a + b + 2)) return front * betaFraction(a, b, x) / a;
    return 1 - front * betaFraction(b, a, 1 - x) / b;
  }

  function twoSidedP(t, freedom) {
    return incompleteBeta(freedom / 2, 0.5, freedom / (freedom + t * t));
  }

  function studentQuantile(freedom) {
    // 97.5 %: where 5 % lie beyond on both sides together.
    var low = 0;
    var high = 2;
    while (twoSidedP(high, freedom) > 0.05) high *= 2;
    for (var step = 0; step < 100; step += 1) {
      var middle = (low + high) / 2;
      if (twoSidedP(middle, freedom) > 0.05) low = middle;
      else high = middle;
    }
    return high;
  }

  function signFlipP(differences, most) {
    if (!differences.length || differences.length > most) return null;
    // The first sign is kept: the other half of the patterns mirrors this one.
    var sums = new Float64Array(Math.pow(2, differences.length - 1));
    var filled = 1;
    sums[0] = differences[0];
    for (var index = 1; index < differences.length; index += 1) {
      for (var place = 0; place < filled; place += 1) {
        sums[filled + place] = sums[place] - differences[index];
        sums[place] += differences[index];
      }
      filled *= 2;
    }
    var least = Math.abs(total(differences)) - SLACK * total(differences.map(Math.abs));
    return sums.reduce(function (count, value) { return count + (Math.abs(value) >= least ? 1 : 0); }, 0) / filled;
  }

  function total(values) {
    return values.reduce(function (sum, value) { return sum + value; }, 0);
  }

  function rounded(value) {
    // Values have six decimals: nine keep all that a mean of eight seeds has, and none of the float noise.
    return Math.round(value * 1e9) / 1e9;
  }

  function bySeed(entry, condition, metric) {
    var values = (entry.values[condition] || {})[metric] || [];
    var found = new Map();
    values.forEach(function (value, place) {
      if (value !== null) found.set(entry.seeds[condition][place], value);
    });
    return found;
  }

  function comparePaired(first, second, resolution, most) {
    var seeds = Array.from(first.keys()).filter(function (seed) { return second.has(seed); });
    var n = seeds.length;
    if (!n) return { seeds: seeds };
    var differences = seeds.map(function (seed) { return second.get(seed) - first.get(seed); });
    var mean = total(differences) / n;
    var found = {
      seeds: seeds,
      meanFirst: rounded(total(seeds.map(function (seed) { return first.get(seed); })) / n),
      meanSecond: rounded(total(seeds.map(function (seed) { return second.get(seed); })) / n),
      difference: rounded(mean),
      exactP: signFlipP(differences, most)
    };
    if (n === 1) return found;
    var squares = total(differences.map(function (value) { return (value - mean) * (value - mean); }));
    found.spread = Math.max(Math.sqrt(squares / (n - 1)), resolution);
    var error = found.spread / Math.sqrt(n);
    var half = studentQuantile(n - 1) * error;
    found.low = mean - half;
    found.high = mean + half;
    found.p = twoSidedP(mean / error, n - 1);
    return found;
  }

  function verdictOf(metric, found, same, level) {
    if (same) return "same document";
    var separated = found.p !== undefined && found.exactP !== null && Math.max(found.p, found.exactP) <= level;
    if (!separated || !found.difference) return "cannot tell";
    if (metric.direction === "neither") return found.difference > 0 ? "higher" : "lower";
    return (found.difference < 0) === (metric.direction === "lower") ? "better" : "worse";
  }

  function holm(values) {
    var order = values.map(function (_, index) { return index; }).sort(function (a, b) { return values[a] - values[b]; });
    var largest = 0;
    var adjusted = [];
    order.forEach(function (index, position) {
      largest = Math.max(largest, Math.min(1, (values.length - position) * values[index]));
      adjusted[index] = largest;
    });
    return adjusted;
  }

  // Words, rounded as the rest of the site is: halves to the even digit.

  function fixed(value, decimals) {
    var text = value.toFixed(decimals);
    var exact = value.toFixed(Math.min(decimals + 60, 100));
    var tail = exact.slice(exact.indexOf(".") + 1 + decimals);
    if (!/^50*$/.test(tail) || Number(text.slice(-1)) % 2 === 0) return text;
    // Written in full, so that cutting the tail off is rounding toward zero, which is where the even digit lies.
    return exact.slice(0, exact.indexOf(".") + (decimals ? 1 + decimals : 0));
  }

  function number(metric, value) {
    var text = fixed(value * metric.scale, metric.decimals);
    if (Number(text) === 0) text = text.replace("-", "");
    return text.replace("-", MINUS);
  }

  function isShare(metric) {
    return metric.unit === "fraction" || metric.unit === "points";
  }

  function differenceText(metric, value, sign) {
    var text = number(metric, value);
    var plus = sign && value > 0 && Number(text) > 0 ? "+" : "";
    return plus + text + (isShare(metric) ? " points" : "");
  }

  function pText(value) {
    if (value === null || value === undefined) return "-";
    if (value < 0.0001) return "<0.0001";
    return String(Number(fixed(value, 1 - Math.floor(Math.log10(value)))));
  }

  function seedsText(count) {
    return count === 0 ? "no seed" : count + (count === 1 ? " seed" : " seeds");
  }

  function tooFew(count) {
    if (!count) return "cannot separate: no common seed";
    return "cannot separate with n = " + seedsText(count) + ": the exact test cannot go below p = " + pText(Math.pow(2, 1 - count));
  }

  function verdictText(data, found, verdict) {
    var few = verdict === "cannot tell" && found.seeds.length < data.least;
    return few ? "cannot separate, " + seedsText(found.seeds.length) : verdict;
  }

  function limitText(data, metric, found) {
    var factor = data.factors[found.seeds.length];
    return found.spread === undefined || factor === undefined ? "-" : differenceText(metric, found.spread * factor, false);
  }

  function onBoard(data, first, second) {
    if (first.group === null || second.group === null) return "";
    var place = data.entries.indexOf(second);
    var digit = first.apart[first.apart.length - 1 - Math.floor(place / 4)] || "0";
    var apart = (parseInt(digit, 16) >> (place % 4)) & 1;
    if (first.group !== second.group) return "The board puts " + second.slug + " and " + first.slug + " into different groups, by its rule on test accuracy.";
    return "On the board " + second.slug + (apart ? " is apart from " : " ties with ") + first.slug + ", corrected for the " + data.pairs + (data.pairs === 1 ? " pair" : " pairs") + " of the board.";
  }

  // What is compared.

  function lineOf(data, chosen, condition, metricIndex) {
    var metric = data.metrics[metricIndex];
    return chosen.slice(1).map(function (entry) {
      var found = comparePaired(bySeed(chosen[0], condition, metricIndex), bySeed(entry, condition, metricIndex), metric.resolution, data.flipped);
      var verdict = verdictOf(metric, found, entry.result === chosen[0].result, data.level);
      return { condition: condition, metric: metric, first: chosen[0], entry: entry, found: found, verdict: verdict };
    });
  }

  function has(chosen, condition, metricIndex) {
    return chosen.some(function (entry) { return (entry.values[condition] || {})[metricIndex]; });
  }

  function linesUnder(data, chosen, condition) {
    var order = data.metrics.map(function (_, index) { return index; });
    order.sort(function (a, b) { return (b === data.primary[1]) - (a === data.primary[1]) || a - b; });
    return order.filter(function (index) { return has(chosen, condition, index); })
      .flatMap(function (index) { return lineOf(data, chosen, condition, index); });
  }

  function decidingLines(data, chosen) {
    return data.conditions.map(function (_, condition) { return condition; })
      .filter(function (condition) { return has(chosen, condition, data.primary[1]); })
      .flatMap(function (condition) { return lineOf(data, chosen, condition, data.primary[1]); });
  }

  function cellsText(data, chosen, entry, lines) {
    var metric = data.metrics[data.primary[1]];
    var mine = lines.filter(function (line) { return line.entry === entry && !(data.worst && line.condition === data.primary[0]); });
    var tested = mine.filter(function (line) { return line.found.seeds.length >= data.least; });
    var adjusted = holm(tested.map(function (line) { return Math.max(line.found.p, line.found.exactP === null ? 1 : line.found.exactP); }));
    var sign = metric.direction === "lower" ? -1 : 1;
    function gain(line) { return sign * (line.found.difference || 0); }
    var decided = tested.filter(function (_, index) { return adjusted[index] <= data.level; });
    var wins = decided.filter(function (line) { return gain(line) > 0; }).length;
    var losses = decided.filter(function (line) { return gain(line) < 0; }).length;
    var corrected = tested.length ? ", after Holm's correction over the " + tested.length + " that have seeds enough for a test" : "";
    return entry.slug + " against " + chosen[0].slug + " in " + metric.short + ", " + mine.length + (mine.length === 1 ? " condition" : " conditions") +
      ": better in " + wins + ", worse in " + losses + ", open in " + (mine.length - wins - losses) + corrected +
      ". By means alone: ahead in " + mine.filter(function (line) { return gain(line) > 0; }).length +
      ", behind in " + mine.filter(function (line) { return gain(line) < 0; }).length + ".";
  }

  // Elements.

  function element(name, attributes, children) {
    var made = document.createElement(name);
    Object.keys(attributes || {}).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    (children || []).forEach(function (child) { made.append(child); });
    return made;
  }

  function shape(name, attributes, text) {
    var made = document.createElementNS(SVG, name);
    Object.keys(attributes).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    if (text) made.textContent = text;
    return made;
  }

  function mean(metric, value) {
    return value === undefined ? "-" : number(metric, value) + (metric.unit === "fraction" ? "\u202f%" : "");
  }

  function cellsOf(data, line) {
    var found = line.found;
    var metric = line.metric;
    return [
      line.entry.slug,
      verdictText(data, found, line.verdict),
      found.difference === undefined ? "-" : differenceText(metric, found.difference, true),
      found.low === undefined ? "-" : number(metric, found.low) + " to " + number(metric, found.high),
      mean(metric, found.meanFirst),
      mean(metric, found.meanSecond),
      pText(found.p),
      pText(found.exactP),
      limitText(data, metric, found)
    ];
  }

  function tableOf(data, lines, caption, id) {
    var heads = ["Metric", "Entry", "Verdict", "Difference", "95\u202f% interval", "First", "Entry's", "p", "exact p", "Could be seen from"];
    var head = element("thead", {}, [element("tr", {}, heads.map(function (text) { return element("th", { scope: "col" }, [text]); }))]);
    var body = element("tbody", {}, lines.map(function (line) {
      var cells = cellsOf(data, line).map(function (text, index) {
        return element("td", { "class": index > 1 ? "number" : index === 1 ? "call call-" + line.verdict.replace(" ", "-") : "" }, [text]);
      });
      return element("tr", { "data-condition": line.condition, "data-metric": line.metric.key }, [element("th", { scope: "row" }, [line.metric.short])].concat(cells));
    }));
    var table = element("table", { "class": "compact compared" }, [element("caption", { id: id }, [element("span", {}, [caption])]), head, body]);
    return element("div", { "class": "scroll", role: "region", "aria-labelledby": id, tabindex: "0" }, [table]);
  }

  function tickStep(span) {
    var rough = span / 4;
    var power = Math.pow(10, Math.floor(Math.log10(rough)));
    return [1, 2, 5, 10].map(function (factor) { return factor * power; }).find(function (step) { return step >= rough; });
  }

  function plotOf(data, lines) {
    var metric = data.metrics[data.primary[1]];
    var shown = lines.filter(function (line) { return line.found.difference !== undefined; });
    var rowHeight = 26;
    var left = 300;
    var width = 820;
    var height = shown.length * rowHeight + 46;
    // Where intervals of few seeds reach far beyond all means, they are cut, and their ends say so with arrows.
    var far = 1.5 * Math.max.apply(null, shown.map(function (line) { return Math.abs(line.found.difference); }).concat([metric.resolution]));
    var ends = shown.flatMap(function (line) { return [line.found.difference, line.found.low, line.found.high]; })
      .filter(function (value) { return value !== undefined; }).map(function (value) { return Math.max(-far, Math.min(far, value)); });
    var low = Math.min.apply(null, ends.concat([0]));
    var high = Math.max.apply(null, ends.concat([0]));
    var pad = (high - low || 1) * 0.04;
    function x(value) { return left + (Math.max(low - pad, Math.min(high + pad, value)) - low + pad) / (high - low + 2 * pad) * (width - left - 16); }
    var label = "Difference in " + metric.label + " from " + lines[0].first.slug + ", by entry and condition, with 95 % intervals. The tables hold the numbers.";
    var svg = shape("svg", { viewBox: "0 0 " + width + " " + height, role: "img", "aria-label": label, "class": "difference-plot", width: width, height: height });
    var step = tickStep((high - low + 2 * pad) * metric.scale);
    for (var tick = Math.ceil((low - pad) * metric.scale / step) * step; tick <= (high + pad) * metric.scale; tick += step) {
      var at = x(tick / metric.scale);
      svg.append(shape("line", { x1: at, x2: at, y1: 4, y2: height - 40, "class": Math.abs(tick) < step / 2 ? "zero" : "grid" }));
      svg.append(shape("text", { x: at, y: height - 24, "text-anchor": "middle" }, String(Number(tick.toPrecision(6))).replace("-", MINUS)));
    }
    var unit = isShare(metric) ? "points" : metric.unit;
    svg.append(shape("text", { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" }, "difference in " + metric.short + " from " + lines[0].first.slug + ", " + unit + " (" + metric.direction + " is better)"));
    shown.forEach(function (line, index) {
      var y = 4 + rowHeight * (index + 0.5);
      var name = lines.length === shown.length && data.conditions.length === 1 ? line.entry.slug : line.entry.slug + ": " + data.conditions[line.condition];
      var told = line.verdict !== "cannot tell" && line.verdict !== "same document";
      var text = shape("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, name.length > 48 ? name.slice(0, 47) + "\u2026" : name);
      svg.append(text);
      if (line.found.low !== undefined) {
        svg.append(shape("line", { x1: x(line.found.low), x2: x(line.found.high), y1: y, y2: y, "class": "interval-line" }));
        if (line.found.low < low - pad) svg.append(shape("path", { d: "M" + (x(low - pad) + 6) + " " + (y - 4) + "l-6 4l6 4", "class": "beyond-mark" }));
        if (line.found.high > high + pad) svg.append(shape("path", { d: "M" + (x(high + pad) - 6) + " " + (y - 4) + "l6 4l-6 4", "class": "beyond-mark" }));
      }
      var dot = shape("circle", { cx: x(line.found.difference), cy: y, r: 5, "class": told ? "dot told" : "dot open" });
      dot.append(shape("title", {}, name + ": " + cellsOf(data, line).slice(1, 4).join(", ")));
      svg.append(dot);
    });
    var caption = "Dot: mean difference. Line: 95\u202f% interval, an arrow where it goes on. Filled: both tests separate; hollow: cannot tell.";
    var scroll = element("div", { "class": "scroll chart", role: "region", "aria-label": "Chart: differences by condition", tabindex: "0" }, [svg]);
    return element("figure", { "class": "figure" }, [element("figcaption", {}, [element("strong", {}, ["Differences, condition by condition "]), caption]), scroll]);
  }

  // The page.

  function readFragment(data) {
    var text = window.location.hash.slice(1);
    var wanted = [];
    var ignored = [];
    if (!text || document.getElementById(text)) return { wanted: wanted, ignored: ignored };
    text.split(",").forEach(function (part) {
      var slug = part;
      try { slug = decodeURIComponent(part); } catch (error) { /* Not an encoding: taken as it is, and unknown. */ }
      var entry = data.entries.find(function (item) { return item.slug === slug; });
      if (!slug) return;
      if (!entry || wanted.includes(entry) || wanted.length === data.most) ignored.push(slug.slice(0, 80));
      else wanted.push(entry);
    });
    return { wanted: wanted, ignored: ignored };
  }

  function enableComparer(holder) {
    var data = JSON.parse(document.getElementById("compare-data").textContent);
    var choices = document.getElementById("compare-choices");
    var notice = document.getElementById("compare-notice");
    var result = document.getElementById("compare-result");
    var copied = document.getElementById("compare-copied");
    function nameOf(entry) {
      return entry.slug + (entry.rank ? " (rank " + entry.rank + ")" : " (" + (entry.role === "entry" ? "not ranked" : entry.role) + ")");
    }

    function selectFor(chosen, place) {
      var id = "compare-" + place;
      var select = element("select", { id: id });
      if (place > 1) select.append(element("option", { value: "" }, ["none"]));
      if (place > chosen.length - 1 && place < 2) select.append(element("option", { value: "" }, ["choose one"]));
      data.entries.forEach(function (entry) {
        if (entry !== chosen[place] && chosen.includes(entry)) return;
        var option = element("option", { value: entry.slug }, [nameOf(entry)]);
        option.selected = entry === chosen[place];
        select.append(option);
      });
      select.addEventListener("change", function () {
        var slugs = chosen.map(function (entry) { return entry.slug; });
        slugs[place] = select.value;
        window.location.hash = slugs.filter(Boolean).map(encodeURIComponent).join(",");
        var again = document.getElementById(id);
        if (again) again.focus();
      });
      return element("label", { "for": id }, [element("span", {}, [ORDINALS[place]]), select]);
    }

    function show() {
      var state = readFragment(data);
      var chosen = state.wanted;
      if (!chosen.length) chosen = data.entries.slice(0, 2);
      var count = Math.min(chosen.length + 1, data.most);
      choices.replaceChildren.apply(choices, Array.from({ length: Math.max(count, 2) }, function (_, place) { return selectFor(chosen, place); }));
      notice.hidden = !state.ignored.length;
      notice.textContent = state.ignored.length ? "Ignored, because it is unknown here, named twice, or one too many: " + state.ignored.join(", ") + "." : "";
      copied.textContent = "";
      if (chosen.length < 2) {
        result.replaceChildren(element("p", { "class": "empty" }, ["Choose a second entry to compare."]));
        return;
      }
      var slugs = chosen.map(function (entry) { return entry.slug; });
      document.getElementById("compare-command").textContent = "bench compare " + slugs.join(" ") + " --protocol " + data.protocol;
      result.replaceChildren.apply(result, resultOf(chosen));
    }

    function resultOf(chosen) {
      var primary = data.primary[0];
      var deciding = decidingLines(data, chosen);
      var sentences = chosen.slice(1).flatMap(function (entry) {
        return [cellsText(data, chosen, entry, deciding), onBoard(data, chosen[0], entry)];
      }).filter(Boolean);
      var few = deciding.map(function (line) { return line.found.seeds.length; })
        .filter(function (count, index, all) { return count < data.least && all.indexOf(count) === index; });
      sentences = few.map(tooFew).concat(sentences);
      var parts = [
        tableOf(data, linesUnder(data, chosen, primary), data.conditions[primary] + ": the entry minus " + chosen[0].slug, "compare-primary"),
        element("ul", { "class": "reasons" }, sentences.map(function (text) { return element("li", {}, [text]); })),
        plotOf(data, deciding)
      ];
      var others = data.conditions.map(function (_, index) { return index; }).filter(function (index) { return index !== primary; });
      var tables = others.map(function (index) {
        var lines = linesUnder(data, chosen, index);
        return lines.length ? tableOf(data, lines, data.conditions[index] + ": the entry minus " + chosen[0].slug, "compare-condition-" + index) : null;
      }).filter(Boolean);
      if (tables.length) parts.push(element("details", {}, [element("summary", {}, ["Every other condition: " + tables.length])].concat(tables)));
      return parts;
    }

    function copyLink() {
      var slugs = document.getElementById("compare-command").textContent.split(" ").slice(2, -2);
      var link = window.location.href.split("#")[0] + "#" + slugs.map(encodeURIComponent).join(",");
      function showLink() {
        // Without access to the clipboard the link is shown, ready to be copied by hand.
        copied.replaceChildren(element("input", { type: "text", readonly: "", value: link, "aria-label": "Link to this comparison" }));
        copied.querySelector("input").select();
      }
      if (!navigator.clipboard) return showLink();
      return navigator.clipboard.writeText(link).then(function () { copied.textContent = "Copied."; }, showLink);
    }

    window.addEventListener("hashchange", show);
    document.getElementById("compare-copy").addEventListener("click", copyLink);
    holder.hidden = false;
    show();
  }

  var holder = document.getElementById("comparer");
  if (holder) enableComparer(holder);
})();
