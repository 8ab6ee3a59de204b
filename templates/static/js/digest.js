// RFC 8785 bytes of JSON values and their SHA-256, as bench/records.py and bench/results.py have them.
(function (bench) {
  "use strict";

  const encoder = new TextEncoder();
  const ROUND = new Uint32Array(64);
  const START = new Uint32Array(8);

  // Constants of SHA-256: fractional parts of cube and square roots of the first primes. Most pages need none.
  function readyConstants() {
    if (ROUND[0]) return;
    for (let candidate = 2, count = 0; count < 64; candidate += 1) {
      let prime = true;
      for (let factor = 2; factor * factor <= candidate; factor += 1) if (candidate % factor === 0) prime = false;
      if (!prime) continue;
      if (count < 8) START[count] = (Math.sqrt(candidate) % 1) * 2 ** 32;
      ROUND[count] = (Math.cbrt(candidate) % 1) * 2 ** 32;
      count += 1;
    }
  }

  // Keys in the order of their UTF-16 units; numbers and strings are RFC 8785 as JSON.stringify writes them.
  function canonical(value) {
    if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
    if (value === null || typeof value !== "object") return JSON.stringify(value);
    return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`).join(",")}}`;
  }

  function mix(state, words) {
    const turn = (value, bits) => (value >>> bits) | (value << (32 - bits));
    for (let t = 16; t < 64; t += 1) {
      const s0 = turn(words[t - 15], 7) ^ turn(words[t - 15], 18) ^ (words[t - 15] >>> 3);
      const s1 = turn(words[t - 2], 17) ^ turn(words[t - 2], 19) ^ (words[t - 2] >>> 10);
      words[t] = words[t - 16] + s0 + words[t - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let t = 0; t < 64; t += 1) {
      const first = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + ROUND[t] + words[t]) | 0;
      const second = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, index) => { state[index] += value; });
  }

  // FIPS 180-4 without waiting: a seal has one digest for each of thousands of values. Returns lower-case hex.
  function sha256(bytes) {
    readyConstants();
    const state = START.slice();
    const words = new Uint32Array(64);
    const blocks = Math.floor((bytes.length + 8) / 64) + 1;
    const padded = new DataView(new ArrayBuffer(64 * blocks));
    new Uint8Array(padded.buffer).set(bytes);
    padded.setUint8(bytes.length, 0x80);
    padded.setBigUint64(64 * blocks - 8, BigInt(bytes.length) * 8n);
    for (let block = 0; block < blocks; block += 1) {
      for (let t = 0; t < 16; t += 1) words[t] = padded.getUint32(64 * block + 4 * t);
      mix(state, words);
    }
    return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
  }

  // The browser's own SHA-256 where it has one: pages that came by plain http do not get it.
  async function digest(value) {
    const bytes = encoder.encode(canonical(value));
    if (!window.crypto || !crypto.subtle) return `sha256:${sha256(bytes)}`;
    const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return `sha256:${Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  }

  bench.digest = { canonical, sha256, digest, encode: (text) => encoder.encode(text) };
})(window.bench = window.bench || {});
