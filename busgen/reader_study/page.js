"use strict";
// Reader study: shows an image at a time, keeps answers in this browser, saves them to a file.
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const prefix = `busgen-readers/${study.study}/`;
  const { ascii, canonical, sha256 } = sums; // of checksum.js, which stands before
  const at = (id) => document.getElementById(id);
  const total = Object.keys(study.images).length;
  let state = null; // reader, years, answers by id, at: number of the image shown
  let order = []; // ids in this reader's order
  let since = null; // when the clock of the image shown was started
  let half = null; // "r" or "s" was pressed: a digit follows
  let unsaved = false; // answers were given since the last file
  let practising = false; // images for practice are shown
  const trial = {}; // what is said of them, kept nowhere

  // ---- order: blocks stay whole, so that any stretch is balanced; each reader has an own one
  const orderFor = (reader) => {
    let seed = parseInt(sha256(ascii(study.study + "/" + reader.toLowerCase())).slice(0, 8), 16);
    const random = () => { // mulberry32
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
    const shuffled = (items) => {
      const out = [...items];
      for (let i = out.length - 1; i > 0; i -= 1) {
        const j = Math.floor(random() * (i + 1));
        [out[i], out[j]] = [out[j], out[i]];
      }
      return out;
    };
    return shuffled(study.blocks).flatMap(shuffled);
  };

  // ---- answers: kept in the browser, saved to a file, read from one
  const tell = (words) => { at("told").textContent = words; };
  const list = () => (practising ? Object.keys(study.practice) : order);
  const book = () => (practising ? trial : state.answers);
  const answer = () => (book()[list()[state.at]] ??= { ms: 0, place: state.at + 1, said: {} });
  const rated = (id) => Boolean(book()[id]?.rating);
  const count = (answers) => Object.values(answers).filter((one) => one.rating).length;
  const keep = () => {
    try {
      localStorage.setItem(prefix + state.reader.toLowerCase(), JSON.stringify(state));
    } catch {
      tell("This browser keeps no answers: save them to a file before you close the page.");
      at("told").classList.remove("hidden");
    }
  };
  const keptOf = (reader) => {
    try {
      return JSON.parse(localStorage.getItem(prefix + reader.toLowerCase()));
    } catch {
      return null;
    }
  };
  const keptReaders = () => {
    try {
      return Object.keys(localStorage).filter((key) => key.startsWith(prefix)).sort().map((key) => keptOf(key.slice(prefix.length)));
    } catch {
      return [];
    }
  };
  const fileName = () => `answers-${study.study.slice(0, 8)}-${state.reader.replace(/[^A-Za-z0-9]+/g, "-")}.json`;
  const save = () => {
    const record = { format: study.format, study: study.study, reader: state.reader, years: state.years, answers: state.answers };
    record.checksum = sha256(canonical(record));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(record, null, 2) + "\n"], { type: "application/json" }));
    link.download = fileName();
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    unsaved = false;
    tell(`Saved as ${link.download}`);
  };
  const fault = (record) => {
    const { checksum, ...rest } = record ?? {};
    if (rest.format !== study.format) return "This is no file of answers.";
    if (rest.study !== study.study) return "These are answers to another study.";
    if (checksum !== sha256(canonical(rest))) return "This file was changed since it was saved.";
    const here = keptOf(rest.reader);
    const more = here && count(here.answers) > count(rest.answers);
    return more ? `This device holds more answers of ${rest.reader} than the file: go on with those.` : null;
  };
  const load = async (file) => {
    let record = null;
    try {
      record = JSON.parse(await file.text());
    } catch { /* no JSON: fault() says so */ }
    const wrong = fault(record);
    if (wrong) {
      tell(wrong);
      at("told").classList.remove("hidden");
      return;
    }
    enter({ reader: record.reader, years: record.years, answers: record.answers, at: 0 });
  };

  // ---- clock: milliseconds that an image was in view, the page in front
  const stop = () => {
    if (since !== null && state) answer().ms += Math.round(performance.now() - since);
    since = null;
  };
  const go = () => { since = document.hidden || at("reading").hidden ? null : performance.now(); };

  // ---- views
  const view = (name) => {
    for (const id of ["start", "reading", "ready", "finish"]) at(id).hidden = id !== name;
    scrollTo(0, 0);
  };
  const button = (words, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = words;
    made.addEventListener("click", act);
    return made;
  };
  const mark = () => {
    const now = answer();
    for (const one of document.querySelectorAll("[data-rating]")) one.setAttribute("aria-pressed", Number(one.dataset.rating) === now.rating);
    for (const one of document.querySelectorAll("[data-field]")) {
      const said = now.said[one.dataset.field] ?? [];
      one.setAttribute("aria-pressed", [said].flat().includes(one.dataset.term));
    }
    at("ratings").dataset.half = half ?? "";
    at("next").setAttribute("aria-disabled", !now.rating);
    at("progress").value = count(state.answers);
    at("count").textContent = practising ? "not counted" : `${count(state.answers)} rated`;
  };
  const show = (place) => {
    stop();
    state.at = place;
    half = null;
    const id = list()[place];
    at("where").textContent = practising ? `Practice ${place + 1} of ${list().length}` : `Image ${place + 1} of ${total}`;
    at("image").src = (practising ? study.practice : study.images)[id];
    at("depth").replaceChildren(...study.depths[id].map(([share, words]) => {
      const line = document.createElement("span");
      line.textContent = words;
      line.style.top = `${share}%`;
      return line;
    }));
    at("skip").hidden = !practising;
    at("save").hidden = practising;
    at("image").alt = `Ultrasound image ${place + 1}`;
    at("back").disabled = place === 0;
    view("reading");
    mark();
    keep();
    at("figure").focus({ preventScroll: true });
    go();
  };
  const finish = () => {
    stop();
    keep();
    const left = order.flatMap((id, place) => (rated(id) ? [] : [place]));
    at("state").textContent = left.length ? `${left.length} of ${total} images are not rated yet.` : `All ${total} images are rated. Save your answers and send the file to whoever gave you this page.`;
    at("missing").replaceChildren(...left.map((place) => button(`Image ${place + 1}`, () => show(place))));
    at("file-name").textContent = fileName();
    view("finish");
    at("finish").querySelector("h1").focus();
  };
  const enter = (kept) => {
    state = kept;
    order = orderFor(state.reader);
    practising = !state.practised && count(state.answers) === 0 && Object.keys(study.practice).length > 0;
    if (practising) {
      show(0);
      return;
    }
    const first = order.findIndex((id) => !rated(id));
    if (first < 0) finish();
    else show(first);
  };

  const ready = () => {
    stop();
    practising = false;
    state.practised = true;
    keep();
    view("ready");
    at("ready").querySelector("h1").focus();
  };

  // ---- acts
  const rate = (rating) => {
    answer().rating = rating;
    unsaved = unsaved || !practising;
    half = null;
    mark();
    keep();
    tell(`${study.ratings[rating - 1]}, chosen`);
  };
  const say = (field, term) => {
    const said = answer().said;
    const before = [said[field.name] ?? []].flat();
    const alone = !field.several || field.alone.includes(term);
    const others = alone ? [] : before.filter((one) => one !== term && !field.alone.includes(one));
    const after = before.includes(term) ? before.filter((one) => one !== term) : [...others, term];
    if (after.length) said[field.name] = field.several ? after.sort() : after[0];
    else delete said[field.name];
    unsaved = unsaved || !practising;
    mark();
    keep();
  };
  const next = () => {
    if (!rated(list()[state.at])) tell("Rate this image first");
    else if (state.at + 1 < list().length) show(state.at + 1);
    else if (practising) ready();
    else finish();
  };
  const back = () => { if (state.at > 0) show(state.at - 1); };
  const digit = (number) => {
    if (half && number <= 3) rate(half === "r" ? 4 - number : 3 + number);
    else rate(number);
  };
  const press = (event) => {
    if (at("reading").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const control = event.target.closest("button, summary");
    const choice = event.target.closest("[data-rating], [data-term], summary"); // Enter goes on from these
    if (event.repeat && /^([1-6rs ]|enter|arrow.*)$/.test(key)) { event.preventDefault(); return; } // a key held
    if (/^[1-6]$/.test(key)) digit(Number(key));
    else if (key === "r" || key === "s") { half = key; mark(); } else if (key === "escape") { half = null; mark(); } else if (key === "arrowleft") back();
    else if (key === "arrowright") next();
    else if (key === "enter" && (choice || !control)) next();
    else if (key === " " && !control) next();
    else return;
    event.preventDefault();
  };

  // ---- wiring
  at("figure").style.setProperty("--side", `${study.side_px}px`);
  for (const field of study.fields) {
    const group = document.createElement("div");
    const title = document.createElement("h3");
    title.id = `field-${field.name}`;
    title.textContent = field.title;
    group.setAttribute("role", "group");
    group.setAttribute("aria-labelledby", title.id);
    group.append(title, ...field.terms.map(([term, words]) => {
      const chip = button(words, (event) => {
        say(field, term);
        if (event.detail) at("next").focus({ preventScroll: true }); // a click leaves no focus that toggles
      });
      Object.assign(chip.dataset, { field: field.name, term });
      return chip;
    }));
    at("fields").append(group);
  }
  const kept = keptReaders().filter(Boolean);
  at("kept").hidden = kept.length === 0;
  if (kept.length) at("begin-title").textContent = "Begin as another reader";
  at("readers").append(...kept.map((one) => button(`${one.reader}: ${count(one.answers)} of ${total} rated`, () => enter(one))));
  at("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    const reader = at("reader").value.trim().normalize("NFC");
    if (reader) enter(keptOf(reader) ?? { reader, years: at("years").value, answers: {}, at: 0 });
  });
  at("file").addEventListener("change", (event) => { if (event.target.files[0]) load(event.target.files[0]); });
  for (const one of document.querySelectorAll("[data-rating]")) {
    one.addEventListener("click", () => { rate(Number(one.dataset.rating)); at("next").focus({ preventScroll: true }); });
  }
  at("next").addEventListener("click", next);
  at("back").addEventListener("click", back);
  at("save").addEventListener("click", () => { stop(); save(); go(); });
  at("export").addEventListener("click", save);
  at("again").addEventListener("click", () => show(state.at));
  at("skip").addEventListener("click", ready);
  at("go").addEventListener("click", () => enter(state));
  at("zoom").addEventListener("click", () => {
    const twice = at("figure").classList.toggle("twice");
    at("zoom").setAttribute("aria-pressed", twice);
    at("figure").focus({ preventScroll: true });
  });
  at("more")?.querySelector("summary").addEventListener("click", (event) => {
    if (event.detail) setTimeout(() => at("figure").focus({ preventScroll: true }));
  });
  document.addEventListener("keydown", press);
  document.addEventListener("visibilitychange", () => {
    if (!state) return;
    stop();
    keep();
    go();
  });
  addEventListener("beforeunload", (event) => {
    if (!state) return;
    if (!at("reading").hidden) { stop(); go(); }
    keep();
    if (unsaved) event.preventDefault();
  });
})();
