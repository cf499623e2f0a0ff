"use strict";
// Checksums: SHA-256 (FIPS 180-4) of canonical JSON, as records.py takes them; crypto.subtle lacks
// where a page is opened from a file.
const sums = (() => {
  const ascii = (text) => text.replace(/[^\x20-\x7e]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  const canonical = (value) => {
    if (Array.isArray(value)) return "[" + value.map(canonical).join(",") + "]";
    if (value === null || typeof value !== "object") return ascii(JSON.stringify(value));
    const items = Object.keys(value).sort().map((key) => ascii(JSON.stringify(key)) + ":" + canonical(value[key]));
    return "{" + items.join(",") + "}";
  };
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p)) primes.push(n);
  const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
  const rounds = primes.map((p) => fraction(Math.cbrt(p)));
  const turn = (x, n) => (x >>> n) | (x << (32 - n));
  const compress = (h, w) => {
    for (let i = 16; i < 64; i += 1) {
      const a = w[i - 15], b = w[i - 2];
      const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3), s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    const v = h.slice();
    for (let i = 0; i < 64; i += 1) {
      const choice = (v[4] & v[5]) ^ (~v[4] & v[6]), most = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
      const one = (v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) + choice + rounds[i] + w[i]) | 0;
      const two = ((turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) + most) | 0;
      v.unshift((one + two) | 0);
      v.pop();
      v[4] = (v[4] + one) | 0;
    }
    return h.map((x, i) => (x + v[i]) | 0);
  };
  const sha256 = (text) => { // of ASCII
    const size = (Math.floor((text.length + 8) / 64) + 1) * 64;
    const view = new DataView(new ArrayBuffer(size));
    for (let i = 0; i < text.length; i += 1) view.setUint8(i, text.charCodeAt(i));
    view.setUint8(text.length, 0x80);
    view.setUint32(size - 8, Math.floor(text.length / 2 ** 29));
    view.setUint32(size - 4, text.length << 3);
    let h = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
    for (let start = 0; start < size; start += 64) {
      h = compress(h, Array.from({ length: 16 }, (_, i) => view.getInt32(start + 4 * i)));
    }
    return h.map((x) => (x >>> 0).toString(16).padStart(8, "0")).join("");
  };
  return { ascii, canonical, sha256 };
})();
