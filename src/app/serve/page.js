// Sliders to requests, answers to pictures. One line is requested at a time; what is dragged meanwhile waits, the
// newest only. The band is requested when nothing moves, and cancelled when something does.

import { brief, fan, stack, usd } from "./chart.js";

const by = (id) => document.getElementById(id);
const client = Array.from(crypto.getRandomValues(new Uint32Array(3)), (part) => part.toString(36)).join("");
/** Without it nothing is done: who has the page has it. */
const key = document.querySelector("meta[name=runrate-key]").content;
const QUIET_MS = 160;
const FIRST_TRIALS = 24;
const LAYERS = 7;
/** Groups that are open at first, and so are those that hold ranges. */
const OPEN = new Set(["users", "traffic", "cluster"]);

const state = { sides: [], shown: 0, comparing: false, trials: 1, colors: new Map() };

function side(place, told) {
  return {
    place, name: "ab"[place], told, values: new Map(), line: null, band: null, stale: true, wrong: [],
    generation: 0, since: 0, moved: false, asking: false, waits: 0, breaks: null,
  };
}

/** The JSON of a response; any other text is an error. */
async function heard(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return { error: text.trim() || `The program refused: ${response.status} ${response.statusText}`.trim() };
  }
}

/** Another window came first: a moment, then again. */
const pause = () => new Promise((done) => setTimeout(done, 100));

async function ask(path, body, signal) {
  const response = await fetch(path, {
    method: "POST", signal, body: JSON.stringify(body),
    headers: { "content-type": "application/json", "x-runrate": key },
  });
  return { status: response.status, told: await heard(response) };
}

const request = (side) => ({
  side: side.name, client, generation: side.generation, values: Object.fromEntries(side.values),
});

/** Something of a side has changed. */
function changed(side) {
  side.generation += 1;
  side.moved = true;
  side.stale = true;
  if (!side.since) side.since = performance.now();
  clearTimeout(side.waits);
  side.breaks?.abort();
  follow(side);
}

/** Asks for lines until nothing has moved since. */
async function follow(side) {
  if (side.asking) return;
  side.asking = true;
  while (side.moved) {
    side.moved = false;
    const since = side.since;
    side.since = 0;
    try {
      const { status, told } = await ask("api/plan", request(side));
      if (status === 200) {
        side.line = understood(told);
        side.wrong = [];
      } else if (status === 409) {
        // Another window moved this side meanwhile: after it, if nothing newer is here.
        await pause();
        side.moved = true;
      } else {
        side.wrong = told.problems ?? [{ key: null, message: told.error }];
      }
    } catch {
      side.wrong = [{ key: null, message: "The program does not answer: is `runrate serve` still running?" }];
    }
    draw(since);
  }
  side.asking = false;
  if (state.trials > 1 && !side.wrong.length) {
    side.waits = setTimeout(() => bands(side), QUIET_MS);
  }
}

/** Amounts come as exact text. */
function understood(told) {
  const amounts = (list) => list.map(Number);
  const parts = (list) => list.map((part) => ({ ...part, cost: amounts(part.cost), total: Number(part.total) }));
  return {
    ...told, cost: amounts(told.cost), exact: told.total, total: Number(told.total),
    accounts: parts(told.accounts), services: parts(told.services),
  };
}

/** A few trials first, then all. */
async function bands(side) {
  const generation = side.generation;
  const breaks = new AbortController();
  side.breaks = breaks;
  for (const trials of new Set([Math.min(FIRST_TRIALS, state.trials), state.trials])) {
    try {
      const asked = () => ask("api/band", { ...request(side), trials }, breaks.signal);
      let { status, told } = await asked();
      while (status === 409 && generation === side.generation) {
        await pause();
        if (generation === side.generation) ({ status, told } = await asked());
      }
      if (generation !== side.generation) return;
      if (status !== 200) {
        side.wrong = told.problems ?? [{ key: null, message: told.error }];
        draw();
        return;
      }
      side.band = told;
      side.stale = false;
    } catch {
      return;
    }
    draw();
  }
}

// --- drawing ----------------------------------------------------------------------------------------

let frame = 0;
let oldest = 0;

/** Draws everything in the next frame; how long it took since the slider moved is noted. */
function draw(since = 0) {
  if (since && (!oldest || since < oldest)) oldest = since;
  if (frame) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    render();
    if (oldest) performance.measure("slider to line", { start: oldest, end: performance.now() });
    oldest = 0;
  });
}

const shownSides = () => (state.comparing ? state.sides : state.sides.slice(0, 1));

function render() {
  const sides = shownSides().filter((side) => side.line);
  troubles();
  if (!sides.length) return;
  figures(sides);
  const months = sides.reduce((long, side) => (side.line.months.length > long.length ? side.line.months : long), []);
  fan(by("fan"), size("fan"), months, sides.map((side) => ({
    name: side.name, cost: side.line.cost, stale: side.stale,
    band: side.band && side.band.months.length === side.line.months.length ? side.band.months : null,
  })));
  stacks(sides);
  tables(sides, months);
  note(sides);
  say(sides);
}

const sizes = new Map();
const watching = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    sizes.set(target.id, { width: Math.max(240, contentRect.width), height: contentRect.height });
  }
  draw();
});
for (const id of ["fan", "stack-a", "stack-b"]) watching.observe(by(id));
const size = (id) => {
  const known = sizes.get(id);
  return known && known.height ? known : { width: 600, height: 260 };
};

function element(name, attributes, ...inner) {
  const made = document.createElement(name);
  for (const key in attributes) made.setAttribute(key, attributes[key]);
  made.append(...inner);
  return made;
}

const percent = (share) => `${share >= 0 ? "+" : "−"}${Math.abs(share * 100).toFixed(1)} %`;
const rough = (amount) => (amount < 10_000 ? usd(amount) : `$${brief(amount)}`);
const range = (band) => (band ? `${rough(band[0])} – ${rough(band[2])}` : "…");

/** Main figures, of one side or of both with their difference. */
function figures(sides) {
  const last = (list) => list[list.length - 1];
  const peak = (line) => Math.max(...line.months.map((_, at) =>
    line.accounts.reduce((sum, account) => sum + account.peak_nodes[at], 0)));
  const rows = [
    ["Whole plan", (side) => usd(side.line.total), (side) => side.line.total],
    ["P10 – P90", (side) => (state.trials < 2 ? "no trials" : range(side.stale ? null : side.band?.total)), null],
    ["First month", (side) => usd(side.line.cost[0]), (side) => side.line.cost[0]],
    ["Last month", (side) => usd(last(side.line.cost)), (side) => last(side.line.cost)],
    ["Users, last month", (side) => brief(last(side.line.users)), (side) => last(side.line.users), "more"],
    ["A user, last month", (side) => each(last(side.line.cost) / last(side.line.users)),
      (side) => last(side.line.cost) / last(side.line.users), "more"],
    ["Margin, last month", (side) => `${(margin(side.line) * 100).toFixed(1)} %`, null, "more"],
    ["Most nodes", (side) => String(peak(side.line)), (side) => peak(side.line), "more"],
  ];
  const earns = sides.some((side) => last(side.line.revenue) > 0);
  const told = rows.filter(([name]) => earns || !name.startsWith("Margin"));
  const made = told.map(([name, text, number, more]) => {
    const list = element("dl", {}, element("dt", {}, name));
    for (const side of sides) list.append(element("dd", { class: side.name }, text(side)));
    if (sides.length > 1) {
      const [a, b] = number ? sides.map(number) : [0, 0];
      const share = a > 0 ? percent(b / a - 1) : "";
      list.append(element("dd", { class: "quiet" }, element("small", {}, number ? `B ${share}` : "")));
    }
    return element("div", { class: `figure ${more ?? ""}` }, list);
  });
  by("figures").replaceChildren(...made);
}

const margin = ({ revenue, cost }) => 1 - cost[cost.length - 1] / revenue[revenue.length - 1];
const each = (amount) => (Number.isFinite(amount) ? `$${amount.toPrecision(3)}` : "–");

/** A color belongs to a service for as long as the page is open. */
function color(name) {
  if (!state.colors.has(name) && state.colors.size < LAYERS) state.colors.set(name, state.colors.size);
  return state.colors.get(name) ?? LAYERS;
}

function layers(line) {
  line.services.forEach((service) => color(service.name));
  const own = line.services.filter((service) => color(service.name) < LAYERS);
  own.sort((a, b) => color(a.name) - color(b.name));
  const rest = line.months.map((_, at) =>
    line.services.reduce((sum, service) => (color(service.name) < LAYERS ? sum : sum + service.cost[at]), 0));
  const made = own.map((service) => ({ name: service.short, color: color(service.name), cost: service.cost }));
  if (rest.some((amount) => amount > 0)) made.push({ name: "others", color: LAYERS, cost: rest });
  return made;
}

function stacks(sides) {
  // Both sides on one scale.
  const most = Math.max(...sides.flatMap((side) => side.line.cost));
  for (const side of sides) {
    const id = `stack-${side.name}`;
    stack(by(id), size(id), side.line.months, layers(side.line), most);
    by(`${id}-name`).textContent = sides.length > 1 ? `Cost by service, ${title(side)}` : "Cost by service";
  }
}

function head(table, names) {
  const row = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  table.tHead.replaceChildren(row);
}

function body(table, rows) {
  const row = ([name, ...cells]) =>
    element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((cell) => element("td", {}, cell)));
  table.tBodies[0].replaceChildren(...rows.map(row));
}

function tables(sides, months) {
  const [a, b] = sides;
  const amount = (list, at) => (list && list[at] !== undefined ? usd(list[at]) : "");
  const banded = (side, at, which) => (side.band && !side.stale ? amount(side.band.months[at], which) : "");
  head(by("by-month"), b ? ["month", "A", "B", "B − A"] : ["month", "users", "cost", "P10", "P90"]);
  body(by("by-month"), months.map((month, at) => (b
    ? [month, amount(a.line.cost, at), amount(b.line.cost, at), usd((b.line.cost[at] ?? 0) - (a.line.cost[at] ?? 0))]
    : [month, brief(a.line.users[at]), amount(a.line.cost, at), banded(a, at, 0), banded(a, at, 2)])));
  const names = new Map(sides.flatMap((side) => side.line.services.map((service) => [service.name, service.short])));
  const total = (side, name) => side.line.services.find((service) => service.name === name)?.total ?? 0;
  const sum = ["sum", usd(a.line.total)];
  head(by("by-service"), b ? ["service", "A", "B", "B − A"] : ["service", "cost", "share"]);
  const dear = [...names].filter(([name]) => sides.some((side) => total(side, name) >= 0.005));
  const rows = dear.map(([name, short]) => (b
    ? [short, usd(total(a, name)), usd(total(b, name)), usd(total(b, name) - total(a, name))]
    : [short, usd(total(a, name)), `${(total(a, name) / a.line.total * 100 || 0).toFixed(1)} %`]));
  rows.push(b ? [...sum, usd(b.line.total), usd(b.line.total - a.line.total)] : [...sum, ""]);
  body(by("by-service"), rows);
}

function note(sides) {
  const told = sides.map((side) => {
    if (state.trials < 2) return "mid case";
    if (side.wrong.length) return "of the values before";
    if (side.stale || !side.band) return "band follows…";
    const sure = side.band.uncertain ? "" : ", luck alone: nothing in the scenario is a range";
    return `P10 to P90 of ${side.band.trials} trials${sure}`;
  });
  by("band-note").textContent = [...new Set(told)].join("; ");
}

let saying = 0;

/** Tells the sum to who does not see it, once it stands still. */
function say(sides) {
  clearTimeout(saying);
  saying = setTimeout(() => {
    const names = sides.map((side) => (sides.length > 1 ? `${side.name.toUpperCase()}: ` : "") + usd(side.line.total));
    by("said").textContent = `Whole plan ${names.join(", ")}`;
  }, 700);
}

/** Each fault next to its slider; what belongs to none, above. */
function troubles(done) {
  const texts = [];
  const wrong = new Map();
  for (const side of shownSides()) {
    for (const { key, message } of side.wrong) {
      const own = side.place === state.shown && key && [...rows.keys()].find((known) => known === key);
      if (own) wrong.set(own, message);
      else texts.push((key ? `${key}: ` : "") + message);
    }
  }
  for (const [key, row] of rows) {
    const message = wrong.get(key) ?? "";
    if (row.wrong.textContent !== message) row.wrong.textContent = message;
    row.wrong.hidden = !message;
    if (message) {
      row.number.setAttribute("aria-invalid", "true");
      row.group.open = true;
    } else row.number.removeAttribute("aria-invalid");
  }
  if (wrong.size) {
    const names = [...wrong.keys()].map((key) => `${rows.get(key).knob.group}, ${rows.get(key).knob.label}`);
    texts.push(`Refused, see there: ${names.join("; ")}.`);
  }
  if (texts.length) texts.push("The figures are of the values before.");
  const box = by("trouble");
  box.hidden = !texts.length && !done;
  box.classList.toggle("fine", !texts.length && Boolean(done));
  box.textContent = texts.join("\n") || done || "";
}

// --- sliders ----------------------------------------------------------------------------------------

const rows = new Map();
const clean = (number) => Number(number.toPrecision(10));
const shown = () => state.sides[state.shown];

/** Ends of a slider on whole steps, not outside of what is accepted. */
function rail(knob) {
  const least = Math.floor(knob.least / knob.step + 1e-9) * knob.step;
  const floor = knob.bounds[0] === null || least >= knob.bounds[0];
  const most = Math.ceil(knob.most / knob.step - 1e-9) * knob.step;
  const ceiling = knob.bounds[1] === null || most <= knob.bounds[1];
  return [clean(floor ? least : knob.least), clean(ceiling ? most : knob.most)];
}

function knobRow(knob, at) {
  const [least, most] = rail(knob);
  const id = `k${at}`;
  const number = element("input", { id, type: "number", step: knob.whole ? 1 : "any", value: knob.value });
  const slider = element("input", { type: "range", min: least, max: most, step: knob.step, "aria-label": `${knob.group}, ${knob.label}` });
  const back = element("button", { type: "button", class: "back", title: `Back to ${knob.value}`, "aria-label": `${knob.label}: back to ${knob.value}` }, "↺");
  const wrong = element("p", { class: "wrong", id: `${id}-wrong` });
  const marks = element("div", { class: "marks" });
  const place = (value) => `${Math.min(100, Math.max(0, ((value - least) / (most - least)) * 100))}%`;
  if (knob.range) {
    const spread = element("span", { class: "spread" });
    spread.style.left = place(knob.range[0]);
    spread.style.right = `calc(100% - ${place(knob.range[1])})`;
    marks.append(spread);
  }
  const own = element("span", { class: "own" });
  own.style.left = place(knob.value);
  marks.append(own);
  number.setAttribute("aria-describedby", wrong.id);
  const row = element("div", { class: "knob", "data-key": knob.key },
    element("label", { for: id }, knob.label),
    element("span", { class: "set" }, number, element("span", { class: "unit" }, knob.unit), back),
    element("div", { class: "rail" }, slider, marks), wrong);
  const said = knob.range ? `\n${knob.range[2] * 100} % between ${knob.range[0]} and ${knob.range[1]}; the range moves as a whole` : "";
  row.title = `${knob.about}\n${knob.key} = ${knob.value}; accepted: ${knob.accepted}${said}`;
  // A bound need not be a whole step: what is rounded stays on the rail.
  const stepped = (value) => Math.min(most, Math.max(least, clean(Math.round(value / knob.step) * knob.step)));
  slider.addEventListener("input", () => set(knob, stepped(Number(slider.value))));
  number.addEventListener("input", () => {
    if (number.value !== "" && Number.isFinite(number.valueAsNumber)) set(knob, number.valueAsNumber, true);
  });
  number.addEventListener("change", () => show(knob));
  back.addEventListener("click", () => { set(knob, knob.value); slider.focus(); });
  wrong.hidden = true;
  return { knob, row, number, slider, wrong };
}

const valueOf = (side, knob) => side.values.get(knob.key) ?? knob.value;

/** A slider was moved or a number typed. */
function set(knob, value, typing = false) {
  const side = shown();
  if (value === knob.value) side.values.delete(knob.key);
  else side.values.set(knob.key, value);
  show(knob, typing);
  buttons();
  changed(side);
}

/** Shows a value in its row. */
function show(knob, typing = false) {
  const row = rows.get(knob.key);
  const value = valueOf(shown(), knob);
  if (!typing) row.number.value = value;
  row.slider.value = value;
  row.slider.setAttribute("aria-valuetext", `${value.toLocaleString("en-US")} ${knob.unit}`.trim());
  row.row.classList.toggle("changed", shown().values.has(knob.key));
  row.row.classList.toggle("of-b", state.shown === 1);
}

function build() {
  rows.clear();
  const groups = new Map();
  shown().told.knobs.forEach((knob, at) => {
    const row = knobRow(knob, at);
    rows.set(knob.key, row);
    if (!groups.has(knob.group)) groups.set(knob.group, []);
    groups.get(knob.group).push(row);
  });
  const made = [...groups].map(([name, own]) => {
    const group = element("details", {}, element("summary", {}, name), ...own.map((row) => row.row));
    group.open = OPEN.has(name) || own.some((row) => row.knob.range);
    group.dataset.open = group.open;
    own.forEach((row) => { row.group = group; });
    return group;
  });
  by("knobs").replaceChildren(...made);
  shown().told.knobs.forEach((knob) => show(knob));
  search();
  buttons();
}

function search() {
  const words = by("find").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const { knob, row } of rows.values()) {
    const text = `${knob.group} ${knob.label} ${knob.key} ${knob.about}`.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  for (const group of by("knobs").children) {
    const some = [...group.querySelectorAll(".knob")].some((row) => !row.hidden);
    group.hidden = !some;
    group.open = words.length ? some : group.dataset.open === "true";
  }
}

// --- the rest of the page ---------------------------------------------------------------------------

const title = (side) => `${side.name.toUpperCase()} ${side.told.name}`;

function buttons() {
  const side = shown();
  by("reset").disabled = !side.values.size;
  by("save").hidden = !side.told.may_save;
  by("save").disabled = !side.values.size;
  by("copy").hidden = !state.comparing;
  by("compare").setAttribute("aria-pressed", String(state.comparing));
  by("tabs").hidden = !state.comparing;
  by("stack-b-figure").hidden = !state.comparing;
  document.body.classList.toggle("comparing", state.comparing);
  for (const own of state.sides) {
    const tab = by(`tab-${own.name}`);
    tab.textContent = title(own);
    tab.setAttribute("aria-pressed", String(own.place === state.shown));
  }
}

function turn(place) {
  state.shown = place;
  build();
  troubles();
}

function compare(on) {
  state.comparing = on;
  const b = state.sides[1];
  if (on && !b.line) changed(b);
  turn(on ? 1 : 0);
  draw();
}

/** B gets the values of A, as far as it has the same numbers. */
function copy() {
  const [a, b] = state.sides;
  const own = new Map(b.told.knobs.map((knob) => [knob.key, knob.value]));
  b.values = new Map();
  for (const knob of a.told.knobs) {
    const value = valueOf(a, knob);
    if (own.has(knob.key) && own.get(knob.key) !== value) b.values.set(knob.key, value);
  }
  build();
  changed(b);
}

async function download() {
  const side = shown();
  const format = by("format").value;
  const values = JSON.stringify(Object.fromEntries(side.values));
  by("download").disabled = true;
  by("download").textContent = "Writing…";
  try {
    const query = new URLSearchParams({ side: side.name, values });
    const response = await fetch(`report/${encodeURIComponent(format)}?${query}`, { headers: { "x-runrate": key } });
    if (!response.ok) {
      troubles();
      trouble((await heard(response)).error);
      return;
    }
    const name = /filename="([^"]*)"/.exec(response.headers.get("content-disposition") ?? "")?.[1] ?? format;
    const link = element("a", { href: URL.createObjectURL(await response.blob()), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch {
    trouble("The report was not had: is `runrate serve` still running?");
  } finally {
    by("download").disabled = false;
    by("download").textContent = "Get";
  }
}

function trouble(message) {
  const box = by("trouble");
  box.classList.remove("fine");
  box.textContent = message;
  box.hidden = false;
}

async function save() {
  const side = shown();
  const { status, told } = await ask("api/save", { side: side.name, values: Object.fromEntries(side.values) });
  if (status !== 200) {
    trouble(told.error);
    return;
  }
  side.told = told;
  side.values = new Map();
  build();
  troubles(`Saved to ${told.file}`);
}

by("find").addEventListener("input", search);
by("compare").addEventListener("click", () => compare(!state.comparing));
by("copy").addEventListener("click", copy);
by("reset").addEventListener("click", () => { shown().values = new Map(); build(); changed(shown()); });
by("save").addEventListener("click", () => save().catch(() => trouble("Nothing was saved: the program does not answer.")));
by("download").addEventListener("click", download);
by("tab-a").addEventListener("click", () => turn(0));
by("tab-b").addEventListener("click", () => turn(1));

async function begin() {
  const response = await fetch("api/scenario", { headers: { "x-runrate": key } });
  const told = await heard(response);
  if (!response.ok) {
    trouble(told.error);
    return;
  }
  state.trials = told.trials;
  state.sides = told.sides.map((own, place) => side(place, own));
  const [a, b] = state.sides;
  document.title = `${a.told.name} · runrate`;
  by("name").textContent = a.told.name;
  by("file").textContent = told.second ? `${a.told.file} beside ${b.told.file}` : a.told.file;
  by("tuned").hidden = !told.tuned;
  by("format").replaceChildren(...told.formats.map((format) => element("option", { value: format }, format)));
  changed(a);
  build();
  if (told.second) {
    compare(true);
    turn(0);
  }
}

begin().catch(() => trouble("The page could not be filled: is `runrate serve` still running?"));
