// Charts drawn as SVG from what the server sent. Sizes are given, never measured here, so that nothing is laid
// out twice. All text is set as text.

const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  return element;
}

const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumFractionDigits: 0 });
const cents = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2 });

/** An amount as it is read: cents where they matter. */
export function usd(amount) {
  return Math.abs(amount) < 100 ? cents.format(amount) : dollars.format(amount);
}

const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/** A number in short: 1.2M. */
export function brief(number) {
  return short.format(number);
}

/** About so many round steps up to a maximum. */
export function ticks(most, count) {
  if (!(most > 0)) return [0, 1];
  const rough = most / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((times) => times * power).find((step) => step >= rough * 0.999);
  const found = [];
  for (let at = 0; at < most + step * 0.999; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

/** Keeps labels apart: each at its place or below the one above it, and all within the frame. */
export function apart(places, least, top, bottom) {
  const order = places.map((_, at) => at).sort((a, b) => places[a] - places[b]);
  const set = [];
  let above = top - least;
  for (const at of order) {
    above = Math.max(places[at], above + least);
    set[at] = above;
  }
  let below = bottom + least;
  for (const at of order.reverse()) {
    below = Math.min(set[at], below - least);
    set[at] = below;
  }
  return set;
}

function frame(svg, { width, height }, months, most, right) {
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const [left, top, bottom] = [46, 10, height - 22];
  const marks = ticks(most, height < 230 ? 4 : 5);
  const ceiling = marks[marks.length - 1];
  const x = (month) => left + (months.length > 1 ? (month / (months.length - 1)) * (width - left - right) : 0);
  const y = (amount) => bottom - (amount / ceiling) * (bottom - top);
  const parts = [];
  for (const mark of marks) {
    const at = Math.round(y(mark)) + 0.5;
    parts.push(make("line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at }));
    parts.push(make("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, `$${brief(mark)}`));
  }
  const every = Math.max(1, Math.ceil((months.length * 62) / (width - left - right)));
  for (let month = 0; month < months.length; month += every) {
    parts.push(make("text", { x: x(month), y: height - 6, "text-anchor": "middle" }, months[month]));
  }
  return { parts, x, y, top, bottom };
}

const path = (points) => points.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function area(x, lower, upper) {
  const there = upper.map((y, at) => [x(at), y]);
  const back = lower.map((y, at) => [x(at), y]).reverse();
  return `${path(there.concat(back))}Z`;
}

/** Lines of one or two sides, with their bands. */
export function fan(svg, size, months, sides) {
  let most = 0;
  for (const side of sides) {
    most = Math.max(most, ...side.cost, ...(side.band ?? []).map((month) => month[2]));
  }
  const right = 82;
  const { parts, x, y, top, bottom } = frame(svg, size, months, most, right);
  const labels = [];
  for (const side of sides) {
    const own = side.name;
    const last = side.cost.length - 1;
    if (side.band) {
      const shape = area(x, side.band.map((month) => y(month[0])), side.band.map((month) => y(month[2])));
      parts.push(make("path", { class: `band ${own}${side.stale ? " stale" : ""}`, d: shape }));
      if (!side.stale) {
        labels.push([y(side.band[last][2]), `P90 ${usd(side.band[last][2])}`, own, ""]);
        labels.push([y(side.band[last][0]), `P10 ${usd(side.band[last][0])}`, own, ""]);
      }
    }
    parts.push(make("path", { class: `line ${own}`, d: path(side.cost.map((amount, at) => [x(at), y(amount)])) }));
    const title = sides.length > 1 ? own.toUpperCase() : "mid";
    labels.push([y(side.cost[last]), `${title} ${usd(side.cost[last])}`, own, " strong"]);
  }
  const places = apart(labels.map((label) => label[0]), 14, top, bottom);
  labels.forEach(([, text, own, more], at) => {
    parts.push(make("text", { class: own + more, x: size.width - right + 6, y: places[at] + 4 }, text));
  });
  svg.replaceChildren(...parts);
}

/** Layers on top of each other: `{ name, color, cost }`, the lowest first. */
export function stack(svg, size, months, layers, most) {
  const right = 120;
  const { parts, x, y, top, bottom } = frame(svg, size, months, most, right);
  let below = months.map(() => 0);
  const labels = [];
  for (const layer of layers) {
    const above = below.map((amount, at) => amount + layer.cost[at]);
    const shape = make("path", { class: `layer s${layer.color}`, d: area(x, below.map(y), above.map(y)) });
    shape.append(make("title", {}, layer.name));
    parts.push(shape);
    const last = months.length - 1;
    labels.push([y((below[last] + above[last]) / 2), layer]);
    below = above;
  }
  const places = apart(labels.map((label) => label[0]), 14, top, bottom);
  labels.forEach(([, layer], at) => {
    const left = size.width - right + 6;
    parts.push(make("rect", { class: `s${layer.color}`, x: left, y: places[at] - 4, width: 8, height: 8, rx: 2 }));
    const most = 15;
    const name = layer.name.length > most ? `${layer.name.slice(0, most - 1)}…` : layer.name;
    parts.push(make("text", { x: left + 12, y: places[at] + 4 }, name));
  });
  svg.replaceChildren(...parts);
}
