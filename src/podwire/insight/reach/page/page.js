"use strict";
// Everything that comes from objects is set as text (textContent), never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const SENDING = "outside, sending", RECEIVING = "outside, receiving";
const MOST_NODES = 160, MOST_ROWS = 400, MOST_EDGES = 600, MOST_BUNDLES = 160;
const state = { search: "", port: "", namespace: "", free: false, dns: false, chosen: null };

function element(parent, name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

function html(parent, name, text = "", className = "") {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (className) made.className = className;
  parent.append(made);
  return made;
}

// Names by number: workloads first, then parts of the addresses outside.
const workloads = data.workloads.length;
const isOutside = (one) => one >= workloads;
const nameOf = (one) => data.names[one];
const namespaceOf = (one) => (isOutside(one) ? "outside" : nameOf(one).split("/")[0]);
const shortOf = (one) => (isOutside(one) ? nameOf(one).replace(/^outside /, "") : nameOf(one).slice(nameOf(one).indexOf("/") + 1));
const isFree = (one) => one.ports === "any";
const isOnlyDns = (one) => one.list.length > 0 && one.list.every(([, ranges]) => ranges.length > 0 && ranges.every(([first, last]) => first === 53 && last === 53));
const hues = new Map();
function hueOf(namespace) {
  if (!hues.has(namespace)) hues.set(namespace, Math.round((215 + hues.size * 137.5) % 360));
  return hues.get(namespace);
}

function matchesPort(one) {
  const wanted = state.port.trim().toUpperCase();
  if (!wanted || isFree(one)) return true;
  const number = Number(wanted);
  return one.list.some(([protocol, ranges]) =>
    protocol.toUpperCase().startsWith(wanted) || (number > 0 && ranges.some(([first, last]) => first <= number && number <= last)));
}

// What the filters leave: pairs of source and destination are made only here, for what is shown.
function shown() {
  const search = state.search.trim().toLowerCase();
  const meant = (one) => (!search || nameOf(one).toLowerCase().includes(search)) && (!state.namespace || namespaceOf(one) === state.namespace);
  const all = data.names.map((_, number) => meant(number));
  const isNarrow = Boolean(search || state.namespace);
  const connections = data.connections.filter((one) => matchesPort(one) && (!isNarrow || data.sets[one.from].some((n) => all[n]) || data.sets[one.to].some((n) => all[n])));
  return { all, isNarrow, connections };
}

function pairs(view) {
  const found = new Map();
  for (const one of view.connections) {
    if ((isFree(one) && !state.free) || (isOnlyDns(one) && !state.dns)) continue;
    const from = data.sets[one.from], to = data.sets[one.to];
    for (const source of from) for (const target of to) {
      if (source === target || (view.isNarrow && !view.all[source] && !view.all[target])) continue;
      const key = source * data.names.length + target;
      const known = found.get(key) ?? { source, target, labels: [], free: true, maybe: true };
      known.labels.push(one.ports + (one.family ? ` (${one.family})` : "") + (one.certain ? "" : " ?"));
      known.free &&= isFree(one);
      known.maybe &&= !one.certain;
      found.set(key, known);
      if (found.size > 20000) return [...found.values()];
    }
  }
  return [...found.values()];
}

// Too many workloads are drawn as their namespaces.
function graph(view) {
  let edges = pairs(view);
  const used = new Set();
  for (const one of edges) { used.add(one.source); used.add(one.target); }
  view.all.forEach((meant, number) => { if (meant && !isOutside(number)) used.add(number); });
  if (used.size <= MOST_NODES && edges.length <= MOST_EDGES) {
    const nodes = new Map();
    const id = (number, end) => (isOutside(number) ? `${end}${number}` : `w${number}`);
    const add = (number, end) => {
      const key = id(number, end);
      if (!nodes.has(key)) {
        const box = isOutside(number) ? (end === "s" ? SENDING : RECEIVING) : namespaceOf(number);
        nodes.set(key, { key, number, box, namespace: namespaceOf(number), name: shortOf(number), more: moreOf(number), open: data.open.includes(number) });
      }
      return key;
    };
    used.forEach((number) => { if (!isOutside(number)) add(number, "w"); });
    edges = edges.map((one) => ({ ...one, from: add(one.source, "s"), to: add(one.target, "t") }));
    return { nodes: [...nodes.values()], edges, isWhole: true };
  }
  return byNamespace(edges, used);
}

function byNamespace(edges, used) {
  const counts = new Map(), joined = new Map();
  used.forEach((number) => counts.set(namespaceOf(number), (counts.get(namespaceOf(number)) ?? 0) + 1));
  for (const one of edges) {
    const from = namespaceOf(one.source), to = namespaceOf(one.target);
    if (from === to) continue;
    const key = JSON.stringify([from, to]);
    const known = joined.get(key) ?? { from, to, source: one.source, target: one.target, count: 0, labels: [], free: true, maybe: false };
    known.count += 1;
    known.free &&= one.free;
    known.labels = [`${known.count}`];
    joined.set(key, known);
  }
  const nodes = [...counts].slice(0, MOST_NODES).map(([name, count]) => ({ key: name, number: null, box: name, namespace: name, name, more: `${count} workloads`, open: false }));
  const kept = new Set(nodes.map((one) => one.key));
  return { nodes, edges: [...joined.values()].filter((one) => kept.has(one.from) && kept.has(one.to)).sort((a, b) => b.count - a.count).slice(0, MOST_BUNDLES), isWhole: false };
}

function moreOf(number) {
  if (isOutside(number)) return "";
  const one = data.workloads[number];
  const pods = `${one.pods} pod${one.pods === 1 ? "" : "s"}`;
  if (data.open.includes(number)) return `${pods} · open to anyone`;
  return one.hostNetwork ? `${pods} · host network` : `${pods} · ${one.kind}`;
}

// Layers from left to right: the longest way over edges; an edge that closes a circle does not count.
function layers(keys, edges) {
  const next = new Map(keys.map((key) => [key, []]));
  for (const one of edges) if (one.from !== one.to && next.has(one.from) && next.has(one.to)) next.get(one.from).push(one.to);
  const order = [], mark = new Map();
  for (const start of keys) {
    const stack = [[start, 0]];
    while (stack.length) {
      const top = stack[stack.length - 1];
      if (top[1] === 0) { if (mark.has(top[0])) { stack.pop(); continue; } mark.set(top[0], 1); }
      const to = next.get(top[0])[top[1]++];
      if (to === undefined) { mark.set(top[0], 2); order.push(top[0]); stack.pop(); }
      else if (!mark.has(to)) stack.push([to, 0]);
    }
  }
  order.reverse();
  const place = new Map(order.map((key, index) => [key, index])), found = new Map(keys.map((key) => [key, 0]));
  for (const key of order) for (const to of next.get(key)) if (place.get(to) > place.get(key)) found.set(to, Math.max(found.get(to), found.get(key) + 1));
  return found;
}

const widthOf = (one) => Math.max(92, Math.min(280, 26 + Math.max(one.name.length * 7.6, one.more.length * 6.1)));

function arranged({ nodes, edges }) {
  const boxes = new Map();
  for (const one of nodes) {
    if (!boxes.has(one.box)) boxes.set(one.box, { name: one.box, namespace: one.namespace, nodes: [] });
    boxes.get(one.box).nodes.push(one);
  }
  const boxOf = new Map(nodes.map((one) => [one.key, one.box]));
  const firm = edges.filter((one) => !one.free);
  for (const box of boxes.values()) inside(box, firm);
  const between = firm.map((one) => ({ from: boxOf.get(one.from), to: boxOf.get(one.to) })).filter((one) => one.from !== one.to);
  const rank = layers([...boxes.keys()], between);
  if (boxes.has(RECEIVING)) rank.set(RECEIVING, Math.max(...rank.values()) + 1);
  const columns = [];
  for (const box of boxes.values()) (columns[rank.get(box.name)] ??= []).push(box);
  let x = 0;
  for (const column of compact(columns.filter(Boolean), Math.max(4, Math.min(7, Math.ceil(Math.sqrt(boxes.size * 1.3))))).flatMap(cut)) {
    const height = column.reduce((sum, box) => sum + box.height + 34, -34);
    let y = -height / 2;
    for (const box of column) { box.x = x; box.y = y; y += box.height + 34; }
    x += Math.max(...column.map((box) => box.width)) + 110;
  }
  return [...boxes.values()];
}

// A column that would be very high becomes several.
function cut(column) {
  const result = [[]];
  let height = 0;
  for (const box of column) {
    if (height + box.height > 900 && result[result.length - 1].length) { result.push([]); height = 0; }
    result[result.length - 1].push(box);
    height += box.height + 34;
  }
  return result;
}

function inside(box, edges) {
  const keys = box.nodes.map((one) => one.key);
  const rank = layers(keys, edges);
  const columns = [];
  for (const one of box.nodes) (columns[rank.get(one.key)] ??= []).push(one);
  let x = 16, most = 0;
  for (const column of compact(columns.filter(Boolean), Math.max(4, Math.min(6, Math.ceil(Math.sqrt(keys.length))))).flatMap((one) => chunks(one, 14))) {
    const width = Math.max(...column.map(widthOf));
    column.forEach((one, row) => { one.x = x; one.y = 36 + row * 56; one.width = width; one.column = column; });
    x += width + 92;
    most = Math.max(most, column.length);
  }
  for (const column of new Set(box.nodes.map((one) => one.column))) for (const one of column) one.y += (most - column.length) * 28;
  box.width = Math.max(x - 92 + 16, box.name.length * 7.4 + 32);
  box.height = 36 + most * 56 - 12 + 16;
}

// More columns than a screen is wide become fewer and higher ones, in the same order.
function compact(columns, most) {
  return columns.length > most ? chunks(columns.flat(), Math.ceil(columns.flat().length / most)) : columns;
}

function chunks(list, size) {
  const result = [];
  for (let start = 0; start < list.length; start += size) result.push(list.slice(start, start + size));
  return result;
}

let extent = { x: 0, y: 0, width: 100, height: 100 }, camera = null;

function draw() {
  const view = shown(), found = graph(view), boxes = arranged(found), svg = byId("svg");
  svg.replaceChildren();
  const at = new Map();
  for (const box of boxes) for (const one of box.nodes) at.set(one.key, { x: box.x + one.x, y: box.y + one.y, width: one.width });
  const back = element(svg, "g"), lines = element(svg, "g"), front = element(svg, "g");
  for (const box of boxes) {
    const group = element(back, "g");
    group.style.setProperty("--hue", hueOf(box.namespace));
    element(group, "rect", { class: "box", x: box.x, y: box.y, width: box.width, height: box.height, rx: 14 });
    element(group, "text", { class: "title", x: box.x + 16, y: box.y + 23 }, box.name);
    for (const one of box.nodes) drawNode(front, one, at.get(one.key), found.isWhole);
  }
  const obstacles = [...at.values()];
  for (const one of found.edges) if (at.has(one.from) && at.has(one.to)) drawEdge(lines, one, at, obstacles);
  const xs = boxes.flatMap((box) => [box.x, box.x + box.width]), ys = boxes.flatMap((box) => [box.y, box.y + box.height]);
  extent = boxes.length ? { x: Math.min(...xs) - 40, y: Math.min(...ys) - 40, width: Math.max(...xs) - Math.min(...xs) + 80, height: Math.max(...ys) - Math.min(...ys) + 80 } : extent;
  const frame = byId("picture"), most = Math.min(720, innerHeight * 0.66);
  frame.style.height = `${Math.max(300, Math.min(most, (extent.height / extent.width) * frame.clientWidth + 40))}px`;
  fit();
  byId("hint").textContent = !boxes.length ? "Nothing matches." : found.isWhole ? "" : "Many workloads: drawn as namespaces. Click one, search or filter to see inside.";
  rows(view);
  ways(state.search.trim().toLowerCase());
  detail();
  emphasize();
}

function drawNode(parent, one, place, isWhole) {
  const group = element(parent, "g", { class: `node${one.open ? " open" : ""}`, tabindex: 0, role: "button", "aria-label": one.name, "data-key": one.key });
  element(group, "rect", { x: place.x, y: place.y, width: place.width, height: 44, rx: 9 });
  const fits = Math.floor((place.width - 24) / 7.4);
  element(group, "text", { class: "name", x: place.x + 12, y: place.y + (one.more ? 18 : 27) }, one.name.length > fits ? `${one.name.slice(0, fits - 1)}…` : one.name);
  if (one.more) element(group, "text", { class: "more", x: place.x + 12, y: place.y + 34 }, one.more);
  element(group, "title", {}, isWhole && one.number !== null ? nameOf(one.number) : one.name);
  const choose = () => {
    if (one.number === null) { byId("namespace").value = state.namespace = one.namespace; draw(); return; }
    state.chosen = state.chosen === one.number ? null : one.number;
    detail();
    emphasize();
  };
  group.addEventListener("click", choose);
  group.addEventListener("pointerenter", () => { if (state.chosen === null) emphasize(one.key); });
  group.addEventListener("pointerleave", () => emphasize());
  group.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } });
}

const LIFTS = [0, 46, -46, 84, -84, 130, -130, 190, -190];

// The curve of an edge, bent around nodes that are in its way.
function curve(from, to, obstacles) {
  const x1 = from.x + from.width, y1 = from.y + 22, x2 = to.x - 7, y2 = to.y + 22, isBack = x2 < x1;
  const bend = isBack ? 80 : Math.max(30, Math.min(160, (x2 - x1) / 2));
  const point = (lift, t) => {
    const u = 1 - t, a = u * u * u, b = 3 * u * u * t, c = 3 * u * t * t, d = t * t * t;
    return [a * x1 + b * (x1 + bend) + c * (x2 - bend) + d * x2, a * y1 + b * (y1 + lift) + c * (y2 + lift) + d * y2];
  };
  const hits = (lift) => {
    let count = 0;
    for (let step = 1; step < 16; step += 1) {
      const [x, y] = point(lift, step / 16), margin = step === 8 ? 34 : 3;
      for (const one of obstacles) if (one !== from && one !== to && x > one.x - margin && x < one.x + one.width + margin && y > one.y - 6 && y < one.y + 50) count += step === 8 ? 2 : 1;
    }
    return count + Math.abs(lift) / 400;
  };
  const lifts = isBack ? LIFTS.slice(1) : LIFTS;
  const lift = obstacles.length > 120 ? lifts[0] : lifts.reduce((best, one) => (hits(one) < hits(best) ? one : best));
  return { path: `M${x1},${y1} C${x1 + bend},${y1 + lift} ${x2 - bend},${y2 + lift} ${x2},${y2}`, middle: point(lift, 0.5), x: x2, y: y2 };
}

function drawEdge(parent, one, at, obstacles) {
  const { path, middle, x, y } = curve(at.get(one.from), at.get(one.to), obstacles);
  const group = element(parent, "g", { class: `edge${one.free ? " free" : ""}${one.maybe ? " maybe" : ""}${one.count ? " bundle" : ""}`, "data-from": one.from, "data-to": one.to });
  group.style.setProperty("--hue", hueOf(namespaceOf(one.source)));
  element(group, "path", { d: path, "stroke-width": one.count ? 1 + Math.log2(one.count) : 1.6 });
  element(group, "polygon", { points: `${x + 7},${y} ${x - 1},${y - 4} ${x - 1},${y + 4}` });
  const label = one.labels.join(" · ");
  if (!one.free && !one.count && obstacles.length <= 80) element(group, "text", { x: middle[0], y: middle[1] - 5, "text-anchor": "middle" }, label.length > 28 ? `${label.slice(0, 27)}…` : label);
  element(group, "title", {}, one.count ? `${one.from} → ${one.to}: ${one.count} pairs of workloads` : `${nameOf(one.source)} → ${nameOf(one.target)}: ${label}`);
}

function emphasize(hovered = null) {
  const key = hovered !== null ? [hovered] : state.chosen === null ? null : [`w${state.chosen}`, `s${state.chosen}`, `t${state.chosen}`];
  const near = new Set(key ?? []);
  document.querySelectorAll(".edge").forEach((edge) => {
    const isOwn = !key || key.includes(edge.dataset.from) || key.includes(edge.dataset.to);
    edge.classList.toggle("dim", !isOwn);
    if (key && isOwn) { near.add(edge.dataset.from); near.add(edge.dataset.to); }
  });
  document.querySelectorAll(".node").forEach((node) => {
    node.classList.toggle("dim", Boolean(key) && !near.has(node.dataset.key));
    node.classList.toggle("chosen", Boolean(key) && key.includes(node.dataset.key));
  });
}

function detail() {
  const panel = byId("detail"), number = state.chosen;
  panel.replaceChildren();
  if (number === null) {
    html(panel, "h2", "Choose a workload");
    html(panel, "p", "Click one to see who reaches it and whom it reaches.");
    if (data.unreached.length) list(panel, "Reached by nobody", data.unreached.map((name) => [name, ""]));
    if (data.open.length) list(panel, "Open to anyone", data.open.map((one) => [nameOf(one), ""]));
    return;
  }
  const one = data.workloads[number];
  html(panel, "h2", nameOf(number));
  html(panel, "p", one ? [one.kind, `${one.pods} pod${one.pods === 1 ? "" : "s"}`, one.place].filter(Boolean).join(" · ") : "addresses that are no pod's");
  const side = (own, other) => data.connections.filter((c) => data.sets[c[own]].includes(number)).map((c) => [c[other === "from" ? "sources" : "destinations"], c.label]);
  list(panel, "Reached by", side("to", "from"));
  list(panel, "Reaches", side("from", "to"));
}

function list(panel, title, lines) {
  html(panel, "h3", title);
  const made = html(panel, "ul");
  for (const [name, ports] of lines.slice(0, 200)) {
    const line = html(made, "li");
    html(line, "b", name);
    if (ports) { line.append(" "); html(line, "span", ports); }
  }
  if (!lines.length) html(made, "li", "nobody");
}

function rows(view) {
  const body = byId("rows");
  body.replaceChildren();
  for (const one of view.connections.slice(0, MOST_ROWS)) {
    const line = html(body, "tr");
    html(line, "td", one.sources);
    html(line, "td", one.label, "ports");
    html(line, "td", one.destinations);
  }
  if (view.connections.length > MOST_ROWS) html(html(body, "tr"), "td", `and ${view.connections.length - MOST_ROWS} more: search or filter`).colSpan = 3;
}

function ways(search) {
  const body = byId("ways");
  body.replaceChildren();
  const found = data.exposures.filter((one) => !search || JSON.stringify(Object.values(one)).toLowerCase().includes(search));
  byId("opened").hidden = !data.exposures.length;
  for (const one of found.slice(0, MOST_ROWS)) {
    const line = html(body, "tr");
    html(line, "td", one.address);
    html(line, "td", `${one.kind} ${one.name}`);
    html(line, "td", (one.to ?? []).join(", ") || "no pods");
    html(line, "td", one.reachedBy || "nobody");
  }
}

// The camera: wheel and buttons zoom, dragging moves.
function look() { byId("svg").setAttribute("viewBox", `${camera.x} ${camera.y} ${camera.width} ${camera.height}`); }
function fit() {
  const width = Math.max(extent.width, 760), height = Math.max(extent.height, 240);
  camera = { x: extent.x - (width - extent.width) / 2, y: extent.y - (height - extent.height) / 2, width, height };
  look();
}
function zoom(factor, x = 0.5, y = 0.5) {
  camera = { x: camera.x + camera.width * x * (1 - factor), y: camera.y + camera.height * y * (1 - factor), width: camera.width * factor, height: camera.height * factor };
  look();
}
byId("in").addEventListener("click", () => zoom(0.8));
byId("out").addEventListener("click", () => zoom(1.25));
byId("fit").addEventListener("click", fit);
byId("svg").addEventListener("wheel", (event) => {
  event.preventDefault();
  const frame = byId("svg").getBoundingClientRect();
  zoom(event.deltaY > 0 ? 1.12 : 0.89, (event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height);
}, { passive: false });
let drag = null;
byId("svg").addEventListener("pointerdown", (event) => { if (!event.target.closest(".node")) { drag = event; byId("svg").classList.add("dragged"); } });
addEventListener("pointerup", () => { drag = null; byId("svg").classList.remove("dragged"); });
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const scale = Math.max(camera.width / byId("svg").clientWidth, camera.height / byId("svg").clientHeight);
  camera = { ...camera, x: camera.x - (event.clientX - drag.clientX) * scale, y: camera.y - (event.clientY - drag.clientY) * scale };
  drag = event;
  look();
});

let pending = null;
const later = () => { clearTimeout(pending); pending = setTimeout(draw, 120); };
byId("search").addEventListener("input", (event) => { state.search = event.target.value; later(); });
byId("port").addEventListener("input", (event) => { state.port = event.target.value; later(); });
byId("namespace").addEventListener("change", (event) => { state.namespace = event.target.value; draw(); });
byId("dns").addEventListener("change", (event) => { state.dns = event.target.checked; draw(); });
byId("free").addEventListener("change", (event) => { state.free = event.target.checked; draw(); });

const namespaces = [...new Set(data.workloads.map((_, number) => namespaceOf(number)))].sort();
for (const name of namespaces) { const option = html(byId("namespace"), "option", name); option.value = name; }
byId("counts").textContent = `${data.workloads.length} workloads in ${namespaces.length} namespaces`;
if (data.notes.length) { byId("notes").hidden = false; data.notes.forEach((note) => html(byId("notes"), "p", note)); }
draw();
