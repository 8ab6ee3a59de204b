// Whether a result document follows from itself, and whether shown numbers are its numbers. No page is touched here.
(function (bench) {
  "use strict";

  const MEMBERS = ["id", "key", "outcome", "schema", "seal", "subject"];
  const HALF_STEP = 0.5000005e-6; // stored values have six decimals, halves may go either way
  const SHOWN = /^([\u2212-]?)(\d+)(?:\.(\d+))?(\u202f%| points| epochs|)$/;

  // Reads and checks one document. Returns { document, problems }; every problem is a sentence.
  async function checkDocument(text) {
    let document;
    try {
      document = JSON.parse(text);
    } catch (error) {
      return { document: null, problems: ["is not JSON"] };
    }
    const missing = wrongMembers(document);
    if (missing) return { document: null, problems: [missing] };
    const problems = [...await wrongDigests(document), ...document.outcome.measurements.flatMap(wrongSummary)];
    if (!problems.length && bench.digest.canonical(document) + "\n" !== text) {
      problems.push("its bytes are not the canonical form of what it says");
    }
    return { document, problems };
  }

  function wrongMembers(document) {
    const found = document && typeof document === "object" ? Object.keys(document).sort().join(" ") : "";
    if (found !== MEMBERS.join(" ")) return "is not a result document";
    if (document.schema !== "bench.result/1") return `has the unknown schema ${JSON.stringify(document.schema)}`;
    const measured = document.outcome && Array.isArray(document.outcome.measurements)
      && document.outcome.measurements.every((item) => item !== null && typeof item === "object");
    return measured && document.subject && typeof document.subject === "object" ? "" : "has no subject or no measurements";
  }

  async function wrongDigests(document) {
    const { schema, subject, outcome } = document;
    const key = await bench.digest.digest(subject);
    const id = await bench.digest.digest({ schema, subject, outcome });
    if (key === document.key && id === document.id) {
      return sealOf({ schema, subject, outcome }).join("") === document.seal ? [] : ["the seal was changed"];
    }
    const problems = brokenPlaces({ schema, subject, outcome }, String(document.seal)).map((place) => `${place} was changed`);
    if (key !== document.key) problems.push("key is not the digest of the subject");
    if (id !== document.id) problems.push("id is not the digest of schema, subject and outcome");
    return problems;
  }

  // Every number, string, boolean and empty container with its JSON pointer, in canonical order.
  function leaves(value, pointer, found) {
    const inner = value !== null && typeof value === "object" ? Object.keys(value) : [];
    if (!inner.length) found.push([pointer, value]);
    else if (Array.isArray(value)) value.forEach((item, index) => leaves(item, `${pointer}/${index}`, found));
    else for (const key of inner.sort()) leaves(value[key], `${pointer}/${key.replace(/~/g, "~0").replace(/\//g, "~1")}`, found);
    return found;
  }

  function sealOf(body) {
    const { sha256, encode, canonical } = bench.digest;
    return leaves(body, "", []).map(([pointer, value]) => sha256(encode(`${pointer}=${canonical(value)}`)).slice(0, 4));
  }

  // Where values came or went, everything behind the place differs, so that only the first is named.
  function brokenPlaces(body, seal) {
    const found = leaves(body, "", []);
    const expected = sealOf(body);
    const broken = found.map(([pointer]) => pointer).filter((_, index) => seal.slice(4 * index, 4 * index + 4) !== expected[index]);
    return broken.slice(0, seal.length === 4 * found.length ? 3 : 1);
  }

  function average(values) {
    return values.reduce((sum, value) => sum + Math.round(value * 1e6), 0) / values.length / 1e6;
  }

  function wrongSummary(item) {
    const name = `${item.metric} under ${item.condition}`;
    const values = item.per_seed;
    if (values === undefined) return item.mean === undefined ? [] : [`${name}: has a mean and no values by seed`];
    if (!Array.isArray(values) || !values.length || !values.every(Number.isFinite)) return [`${name}: its values by seed are no numbers`];
    const mean = average(values);
    const problems = [];
    if (!(Math.abs(item.mean - mean) <= HALF_STEP)) problems.push(`${name}: mean ${item.mean} does not follow from its seeds, which give ${mean}`);
    if (values.length > 1) {
      const sd = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
      if (!(Math.abs(item.sd - sd) <= 2e-6)) problems.push(`${name}: deviation ${item.sd} does not follow from its seeds, which give ${sd}`);
    }
    return problems;
  }

  // What a column shows of a document; undefined where it has no number. worst: seed by seed over conditions.
  function numberOf(document, { metric, conditions, worst }) {
    const found = conditions.map((condition) => document.outcome.measurements.find(
      (item) => item.metric === metric && item.condition === condition));
    if (!worst) return found[0] && (found[0].mean === undefined ? found[0].pooled : found[0].mean);
    if (found.some((item) => !item || !item.per_seed)) return undefined;
    const seeds = Math.min(...found.map((item) => item.per_seed.length));
    const pick = worst === "highest" ? Math.max : Math.min;
    return average(Array.from({ length: seeds }, (_, seed) => pick(...found.map((item) => item.per_seed[seed]))));
  }

  // Rounds half to even, as Python does; toFixed is exact but rounds halves up.
  function fixed(value, decimals) {
    const size = Math.abs(value);
    const steps = size * 10 ** decimals;
    // Only multiples of a power of a half can lie exactly between two decimals; for them `steps` is exact.
    const half = Number.isInteger(size * 2 ** (decimals + 1)) && steps % 1 === 0.5;
    const text = half ? (2 * Math.round(steps / 2) / 10 ** decimals).toFixed(decimals) : size.toFixed(decimals);
    return value < 0 && Number(text) !== 0 ? `\u2212${text}` : text;
  }

  // Says whether a text of the page is a number rounded to the decimals that the text has.
  function isShownAs(text, value) {
    const found = SHOWN.exec(text);
    if (!found) return text === `below ${text.slice(6)}` && value >= 0 && value < Number(text.slice(6));
    const scale = found[4] === "\u202f%" || found[4] === " points" ? 100 : 1;
    return fixed(value * scale, (found[3] || "").length) + found[4] === text;
  }

  // claims: { words, text, value, metric, conditions, worst }: what the page shows. Returns { checked, problems }.
  function checkClaims(document, claims) {
    const problems = [];
    for (const claim of claims) {
      const value = numberOf(document, claim);
      if (value === undefined) {
        if (claim.number) problems.push(`${claim.words}: the page shows ${claim.text}, the document has no number`);
      } else if (!claim.number || !isShownAs(claim.text, value) || !agrees(claim, value)) {
        problems.push(`${claim.words}: the page shows ${claim.text}, the document has ${value}`);
      }
    }
    return { checked: claims.length, problems };
  }

  function agrees(claim, value) {
    return claim.value === null || Math.abs(claim.value - value) <= (claim.worst ? HALF_STEP : 0);
  }

  bench.verification = { checkDocument, checkClaims, numberOf, isShownAs, fixed, sealOf };
})(window.bench = window.bench || {});
