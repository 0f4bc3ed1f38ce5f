// The live map: fences, vehicles and events of this worker, drawn on one
// canvas. Reads the public HTTP interface and nothing else; no library.
"use strict";

const POSITIONS_EVERY_MS = 1000;
const FENCES_EVERY_MS = 15000;
const AGAIN_AFTER_MS = 1000;
// A worker that hangs leaves its connections open: an answer that comes later
// than this is none. Fences may be many, over a slow link.
const POSITIONS_WITHIN_MS = 5000;
const FENCES_WITHIN_MS = 60000;
// Positions not had so often in a row: the link is lost.
const MISSED_MAX = 2;
const POSITIONS_MAX = 20000;
// Of more vehicles only those in view are fetched; more at once do not glide.
const GLIDE_MAX = 3000;
const LIST_MAX = 100;
const EARTH_RADIUS_M = 6378137;
const ZOOM_MIN = 1, ZOOM_MAX = 19;

const $ = (id) => document.getElementById(id);
const canvas = $("map"), pen = canvas.getContext("2d");
const page = document.body.dataset;
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

// ------------------------------------------------------------ projection ---
// Web Mercator on a square of side 1; y grows to the south.

const project = (lon, lat) => {
  const sine = Math.sin(Math.max(-85.05, Math.min(85.05, lat)) * Math.PI / 180);
  return [lon / 360 + .5, .5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
};
const latitude = (y) => Math.atan(Math.sinh((.5 - y) * 2 * Math.PI)) * 180 / Math.PI;
const longitude = (x) => (x - .5) * 360;
// Length of a metre at a latitude, in units of the square.
const metre = (lat) => 1 / (2 * Math.PI * EARTH_RADIUS_M * Math.cos(lat * Math.PI / 180));

const view = { x: .5, y: .5, zoom: 2, width: 0, height: 0, touched: false, fitted: "" };
const pixels = () => 256 * 2 ** view.zoom;
const toScreen = (x, y) => {
  const p = pixels();
  return [(x - view.x) * p + view.width / 2, (y - view.y) * p + view.height / 2];
};
const toWorld = (sx, sy) => {
  const p = pixels();
  return [(sx - view.width / 2) / p + view.x, (sy - view.height / 2) / p + view.y];
};

// ------------------------------------------------------------------ state ---

let fences = [];                 // {name, path, box, label, line}
let fenceNames = new Map();      // id -> name
let fencesTag = null;
let vehicles = new Map();        // id -> {x, y, fromX, fromY, since, ...position}
let fleet = 0;                   // how many there are, in view or not
let chosen = null;               // id of the vehicle that the tip is of
let events = 0;
let dirty = true;
let colours = {};

const readColours = () => {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ground", "grid", "fence", "fence-fill", "fence-label", "halo", "text",
                      "moving", "stationary", "idle", "offline"]) {
    colours[name] = style.getPropertyValue("--" + name).trim();
  }
  dirty = true;
};

// ----------------------------------------------------------------- fences ---
// Paths are relative to an origin near them: canvas coordinates have 24 bits.

let origin = [0, 0];

const grow = (box, x, y) => {
  box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y);
  box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
};
const emptyBox = () => [Infinity, Infinity, -Infinity, -Infinity];

function outline(feature) {
  const { geometry, properties } = feature;
  const fence = { name: properties?.name ?? feature.id ?? "", path: new Path2D(), box: emptyBox(), line: 0 };
  const trace = (ring, close) => {
    ring.forEach(([lon, lat], i) => {
      const [x, y] = project(lon, lat);
      grow(fence.box, x, y);
      if (i === 0) fence.path.moveTo(x - origin[0], y - origin[1]);
      else fence.path.lineTo(x - origin[0], y - origin[1]);
    });
    if (close) fence.path.closePath();
  };
  switch (geometry?.type) {
    case "Polygon": geometry.coordinates.forEach((ring) => trace(ring, true)); break;
    case "MultiPolygon": geometry.coordinates.flat().forEach((ring) => trace(ring, true)); break;
    case "LineString": {
      trace(geometry.coordinates, false);
      fence.line = 2 * (properties?.half_width_m ?? 0) * metre(geometry.coordinates[0][1]);
      break;
    }
    case "Point": {
      const [lon, lat] = geometry.coordinates;
      const [x, y] = project(lon, lat), radius = (properties?.radius_m ?? 0) * metre(lat);
      grow(fence.box, x - radius, y - radius); grow(fence.box, x + radius, y + radius);
      fence.path.arc(x - origin[0], y - origin[1], radius, 0, 2 * Math.PI);
      break;
    }
    default: return null;
  }
  fence.label = [(fence.box[0] + fence.box[2]) / 2, (fence.box[1] + fence.box[3]) / 2];
  return fence;
}

async function loadFences() {
  const response = await fetch("/v1/fences", { signal: AbortSignal.timeout(FENCES_WITHIN_MS) });
  if (!response.ok) throw new Error("fences: " + response.status);
  const tag = response.headers.get("etag");
  if (tag !== null && tag === fencesTag) return;
  const features = (await response.json()).features ?? [];
  const first = features.find((f) => f.geometry)?.geometry.coordinates.flat(Infinity);
  origin = first ? project(first[0], first[1]) : [0, 0];
  const size = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
  // The largest first: it is drawn below the others and named before them.
  fences = features.map(outline).filter(Boolean).sort((a, b) => size(b) - size(a));
  fenceNames = new Map(features.map((f) => [f.id ?? f.properties?.id, f.properties?.name ?? f.id]));
  fencesTag = tag;
  page.fences = fences.length;
  $("fences").textContent = fences.length.toLocaleString("en");
  fitOnce();
  dirty = true;
}

// -------------------------------------------------------------- positions ---

async function fetchPositions(query) {
  const response = await fetch("/v1/positions?" + query, { signal: AbortSignal.timeout(POSITIONS_WITHIN_MS) });
  if (!response.ok) throw new Error("positions: " + response.status);
  const list = await response.json();
  return { list, total: Number(response.headers.get("x-total-count") ?? list.length) };
}

// What is in view and a little round it, as a part of a query; "" for the world.
function areaInView() {
  const [west, north] = toWorld(-80, -80), [east, south] = toWorld(view.width + 80, view.height + 80);
  if (view.zoom <= 4 || west <= 0 || east >= 1) return "";
  return "&bbox=" + [longitude(west), latitude(south), longitude(east), latitude(north)].map((n) => n.toFixed(5));
}

async function loadPositions() {
  const area = fleet > GLIDE_MAX ? areaInView() : "";
  const inView = fetchPositions("limit=" + POSITIONS_MAX + area);
  // Those in view say nothing of how many there are.
  const [{ list }, { total }] = await Promise.all([inView, area ? fetchPositions("limit=0") : inView]);
  const now = performance.now();
  const glide = list.length <= GLIDE_MAX && !stillness.matches && !document.hidden;
  const next = new Map();
  for (const position of list) {
    const [x, y] = project(position.lon, position.lat);
    const old = vehicles.get(position.vehicle_id);
    const moved = !old || old.x !== x || old.y !== y;
    const vehicle = { ...position, x, y, fromX: x, fromY: y, since: -Infinity };
    if (old && glide) {
      // From wherever it is drawn now, not from where it should have been.
      if (moved) [vehicle.fromX, vehicle.fromY, vehicle.since] = [...place(old, now), now];
      else [vehicle.fromX, vehicle.fromY, vehicle.since] = [old.fromX, old.fromY, old.since];
    }
    next.set(position.vehicle_id, vehicle);
  }
  vehicles = next;
  fleet = total;
  count();
  fitOnce();
  dirty = true;
}

// Where a vehicle is drawn: on its way to its newest position.
function place(vehicle, now) {
  const share = Math.min(1, (now - vehicle.since) / POSITIONS_EVERY_MS);
  if (share === 1) return [vehicle.x, vehicle.y];
  return [vehicle.fromX + (vehicle.x - vehicle.fromX) * share, vehicle.fromY + (vehicle.y - vehicle.fromY) * share];
}

function count() {
  const counts = { moving: 0, stationary: 0, idle: 0, offline: 0 };
  let newest = "";
  for (const vehicle of vehicles.values()) {
    counts[vehicle.status] = (counts[vehicle.status] ?? 0) + 1;
    if (vehicle.event_time > newest) newest = vehicle.event_time;
  }
  for (const row of document.querySelectorAll(".legend div")) {
    row.lastElementChild.textContent = counts[row.dataset.status].toLocaleString("en");
  }
  page.vehicles = fleet;
  $("vehicles").textContent = fleet.toLocaleString("en");
  $("shown").hidden = vehicles.size === fleet;
  const shown = `showing ${vehicles.size.toLocaleString("en")} of ${fleet.toLocaleString("en")} vehicles`;
  $("shown").textContent = "S" + shown.slice(1);
  // None in view is no news of the others.
  if (newest || fleet === 0) {
    $("date").textContent = newest.slice(0, 10);
    $("clock").textContent = newest ? newest.slice(11, 19) : "–";
  }
  $("empty").hidden = fleet > 0;
  canvas.setAttribute("aria-label", `Live map, ${shown}: ${counts.moving.toLocaleString("en")} moving`);
}

// ----------------------------------------------------------------- events ---

const WORDS = {
  geofence_enter: ["entered", "enter"], geofence_exit: ["left", "exit"],
  geofence_cross: ["crossed", "cross"], geofence_dwell: ["dwells", "dwell"],
  geofence_visit: ["visited", "visit"],
  stationary_start: ["stopped", "stationary"], stationary_end: ["moved off", "enter"],
  idle_start: ["started idling", "idle"], idle_end: ["stopped idling", "enter"],
  vehicle_offline: ["went offline", "offline"], vehicle_online: ["is back online", "enter"],
  source_stalled: ["source stalled", "alert"], source_recovered: ["source recovered", "enter"],
};

function duration(seconds) {
  if (!(seconds >= 0)) return "";
  if (seconds < 90) return Math.round(seconds) + " s";
  if (seconds < 5400) return Math.round(seconds / 60) + " min";
  return (seconds / 3600).toFixed(1) + " h";
}

const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

// What the list is still to show, the newest last. A stream brings more than a
// page can lay out, thousands a second of a day that is played fast: each
// picture takes what came since the last one, and only as much as the list has
// room for.
let arrived = [];

function arrive(make) {
  arrived.push(make);
  // A page that nobody looks at draws no picture.
  if (arrived.length > 2 * LIST_MAX) arrived = arrived.slice(-LIST_MAX);
}

function showArrived() {
  if (arrived.length === 0) return;
  const items = arrived.slice(-LIST_MAX).map((make) => make()).reverse();
  arrived = [];
  $("quiet").hidden = true;
  const target = $("list"), atTop = target.scrollTop < 4;
  target.prepend(...items);
  if (!atTop) target.scrollTop += items.reduce((height, item) => height + item.offsetHeight, 0);
  while (target.childElementCount > LIST_MAX) target.lastElementChild.remove();
  page.events = events;
  $("events").textContent = events.toLocaleString("en");
}

function eventItem(kind, event) {
  const [verb, look] = WORDS[kind];
  const fence = event.fence_id ? fenceNames.get(event.fence_id) ?? event.fence_id : "";
  const item = element("li", undefined, look);
  if (event.op === "retract") item.classList.add("retracted");
  const what = element("button", undefined, "what");
  what.type = "button";
  what.append(element("b", event.vehicle_id || event.source || ""), element("span", verb));
  what.title = what.firstChild.textContent;
  const time = element("time", event.event_time.slice(11, 19));
  time.dateTime = time.title = event.event_time;
  const length = duration(event.duration_s ?? event.threshold_s ?? event.silence_s);
  const reason = event.reason === "crossed" ? "" : event.reason?.replaceAll("_", " ");
  const details = [fence, length, reason, event.op === "assert" ? "" : event.op];
  item.append(element("i"), what, time);
  if (details.some(Boolean)) item.append(element("span", details.filter(Boolean).join(" · "), "where"));
  item.addEventListener("click", () => showVehicle(event));
  return item;
}

function noteItem(text) {
  const item = element("li", undefined, "note");
  item.append(element("i"), element("span", text, "what"));
  return item;
}

function showVehicle(event) {
  const vehicle = vehicles.get(event.vehicle_id);
  const [x, y] = vehicle ? [vehicle.x, vehicle.y]
    : event.lon != null ? project(event.lon, event.lat) : [];
  if (x === undefined) return;
  view.zoom = Math.max(view.zoom, 13);
  centre(x, y);
  view.touched = true;
  choose(event.vehicle_id);
  dirty = true;
}

function choose(vehicleId) {
  if (vehicleId === chosen) return;
  chosen = vehicleId;
  dirty = true;
}

function follow() {
  const source = new EventSource("/v1/events");
  source.onopen = () => { link.stream = "live"; showLink(); };
  source.onerror = () => {
    link.stream = "lost";
    showLink();
    // A browser gives up for good when the answer was no stream.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
  };
  for (const kind of Object.keys(WORDS)) {
    source.addEventListener(kind, (message) => {
      events++;
      arrive(() => eventItem(kind, JSON.parse(message.data)));
    });
  }
  const note = (text) => arrive(() => noteItem(text));
  source.addEventListener("gap", () => note("Events may be missing here: the worker was started again, or this page was away for long."));
  source.addEventListener("lagged", (message) => {
    note(JSON.parse(message.data).missed.toLocaleString("en") + " events skipped: this page was too slow.");
  });
}

// The stream alone does not tell that a worker hangs, nor positions that events
// are missed.
const link = { stream: "connecting", missed: 0 };

async function pollPositions() {
  try { await loadPositions(); link.missed = 0; } catch { link.missed++; }
  showLink();
}

function showLink() {
  const state = link.missed >= MISSED_MAX ? "lost" : link.stream;
  // It is read out whenever it is written.
  if (state === page.state) return;
  page.state = state;
  $("link-text").textContent = { live: "live", lost: "reconnecting", connecting: "connecting" }[page.state];
}

// ---------------------------------------------------------------- drawing ---

function draw(now) {
  requestAnimationFrame(draw);
  showArrived();
  let gliding = false;
  for (const vehicle of vehicles.values()) {
    if (now - vehicle.since < POSITIONS_EVERY_MS) { gliding = true; break; }
  }
  if (!dirty && !gliding) return;
  dirty = gliding;
  const ratio = devicePixelRatio || 1;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, view.width, view.height);
  drawGrid();
  drawFences(ratio);
  drawVehicles(now);
  drawScale();
  drawTip(now);
}

function drawGrid() {
  const step = 2 ** -Math.floor(view.zoom + .4), [left, top] = toWorld(0, 0), [right, bottom] = toWorld(view.width, view.height);
  pen.beginPath();
  for (let x = Math.ceil(left / step) * step; x <= right; x += step) {
    const [sx] = toScreen(x, 0);
    pen.moveTo(Math.round(sx) + .5, 0); pen.lineTo(Math.round(sx) + .5, view.height);
  }
  for (let y = Math.ceil(top / step) * step; y <= bottom; y += step) {
    const [, sy] = toScreen(0, y);
    pen.moveTo(0, Math.round(sy) + .5); pen.lineTo(view.width, Math.round(sy) + .5);
  }
  pen.strokeStyle = colours.grid;
  pen.lineWidth = 1;
  pen.stroke();
}

function drawFences(ratio) {
  const p = pixels(), [left, top] = toWorld(0, 0), [right, bottom] = toWorld(view.width, view.height);
  const [ox, oy] = toScreen(origin[0], origin[1]);
  const seen = fences.filter(({ box }) => box[2] >= left && box[0] <= right && box[3] >= top && box[1] <= bottom);
  pen.save();
  pen.setTransform(ratio * p, 0, 0, ratio * p, ratio * ox, ratio * oy);
  pen.lineJoin = pen.lineCap = "round";
  for (const fence of seen) {
    if (fence.line > 0) {
      pen.lineWidth = Math.max(fence.line, 2 / p);
      pen.strokeStyle = colours["fence-fill"];
      pen.stroke(fence.path);
    } else {
      pen.fillStyle = colours["fence-fill"];
      pen.fill(fence.path, "evenodd");
    }
    pen.lineWidth = 1.2 / p;
    pen.strokeStyle = colours.fence;
    pen.stroke(fence.path);
  }
  pen.restore();

  pen.font = "500 11.5px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = 3;
  pen.lineJoin = "round";
  pen.strokeStyle = colours.ground;
  pen.fillStyle = colours["fence-label"];
  const taken = [];
  for (const fence of seen) {
    const width = (fence.box[2] - fence.box[0]) * p, height = (fence.box[3] - fence.box[1]) * p;
    if (height < 22 || width < 40) continue;
    fence.labelWidth ??= pen.measureText(fence.name).width;
    if (fence.labelWidth > width * .95) continue;
    const [sx, sy] = toScreen(...fence.label), half = fence.labelWidth / 2 + 4;
    if (taken.some(([x, y, h]) => Math.abs(x - sx) < h + half && Math.abs(y - sy) < 16)) continue;
    taken.push([sx, sy, half]);
    pen.strokeText(fence.name, sx, sy);
    pen.fillText(fence.name, sx, sy);
  }
}

const ORDER = ["offline", "stationary", "idle", "moving"];

function drawVehicles(now) {
  const radius = Math.max(2.2, Math.min(6, (view.zoom - 4) * .62)) * (vehicles.size > GLIDE_MAX ? .7 : 1);
  const placed = Object.fromEntries(ORDER.map((status) => [status, []]));
  for (const vehicle of vehicles.values()) {
    const [sx, sy] = toScreen(...place(vehicle, now));
    vehicle.screen = [sx, sy];
    if (sx < -20 || sy < -20 || sx > view.width + 20 || sy > view.height + 20) continue;
    placed[vehicle.status]?.push(vehicle);
  }
  for (const status of ORDER) {
    pen.fillStyle = colours[status];
    pen.strokeStyle = colours.halo;
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const { screen: [sx, sy], heading_deg } of placed[status]) {
      if (status === "moving" && heading_deg != null && radius > 3.5) arrow(sx, sy, radius, heading_deg);
      else { pen.moveTo(sx + radius, sy); pen.arc(sx, sy, radius, 0, 2 * Math.PI); }
    }
    pen.stroke();
    pen.fill();
  }
  const marked = vehicles.get(chosen);
  if (marked) {
    pen.beginPath();
    pen.arc(...marked.screen, radius + 5, 0, 2 * Math.PI);
    pen.strokeStyle = colours.text;
    pen.lineWidth = 2;
    pen.stroke();
  }
}

// A drop that points where the vehicle goes.
function arrow(sx, sy, radius, heading) {
  const angle = (heading - 90) * Math.PI / 180, tip = radius * 2.1;
  pen.moveTo(sx + Math.cos(angle) * tip, sy + Math.sin(angle) * tip);
  pen.arc(sx, sy, radius, angle + .95, angle - .95 + 2 * Math.PI);
  pen.closePath();
}

function drawScale() {
  const perPixel = 1 / (pixels() * metre(latitude(view.y)));
  const room = perPixel * 110, power = 10 ** Math.floor(Math.log10(room));
  const length = [5, 2, 1].map((n) => n * power).find((n) => n <= room) ?? power;
  $("scale").lastElementChild.style.width = (length / perPixel).toFixed(0) + "px";
  $("scale-text").textContent = length >= 1000 ? length / 1000 + " km" : length + " m";
}

function drawTip(now) {
  const tip = $("tip"), vehicle = vehicles.get(chosen);
  tip.hidden = !vehicle;
  if (!vehicle) return;
  const rows = [
    ["status", vehicle.status],
    ["time", vehicle.event_time.replace("T", " ").replace(/\.\d+Z$/, " UTC")],
    ["speed", vehicle.speed_mps == null ? "" : (vehicle.speed_mps * 3.6).toFixed(0) + " km/h"],
    ["accuracy", vehicle.accuracy_m == null ? "" : vehicle.accuracy_m.toFixed(0) + " m"],
    ["inside", vehicle.fences.map((id) => fenceNames.get(id) ?? id).join(", ")],
    ["at", vehicle.lat.toFixed(5) + ", " + vehicle.lon.toFixed(5)],
  ];
  const table = element("dl");
  for (const [name, value] of rows) if (value) table.append(element("dt", name), element("dd", value));
  tip.replaceChildren(element("h2", vehicle.vehicle_id), table);
  const [sx, sy] = toScreen(...place(vehicle, now));
  const right = sx + 18 + tip.offsetWidth > view.width, low = sy + 18 + tip.offsetHeight > view.height;
  // Where neither side of it has room, as on a phone, whole before beside.
  const within = (at, most) => Math.max(8, Math.min(at, most - 8)) + "px";
  tip.style.left = within(right ? sx - 18 - tip.offsetWidth : sx + 18, view.width - tip.offsetWidth);
  tip.style.top = within(low ? sy - 18 - tip.offsetHeight : sy + 18, view.height - tip.offsetHeight);
}

// ------------------------------------------------------------- navigation ---

// Frames everything once per thing that arrived, until someone takes over.
function fitOnce() {
  const what = `${fences.length > 0} ${fleet > 0}`;
  if (!view.touched && view.fitted !== what) fit();
  view.fitted = what;
}

function fit() {
  const box = emptyBox();
  for (const fence of fences) { grow(box, fence.box[0], fence.box[1]); grow(box, fence.box[2], fence.box[3]); }
  if (fences.length === 0) for (const { x, y } of vehicles.values()) grow(box, x, y);
  if (box[0] > box[2]) return;
  const padding = covered();
  const width = Math.max(80, view.width - padding.left - padding.right), height = Math.max(80, view.height - padding.top - padding.bottom);
  const scale = Math.min(width / Math.max(box[2] - box[0], 1e-6), height / Math.max(box[3] - box[1], 1e-6));
  view.zoom = Math.max(ZOOM_MIN, Math.min(16, Math.log2(scale / 256)));
  centre((box[0] + box[2]) / 2, (box[1] + box[3]) / 2);
  dirty = true;
}

// What the panels cover is no room.
function covered() {
  if (view.width > 900) return { left: 40, right: 370, top: 90, bottom: 40 };
  // The legend goes from side to side on a phone.
  return { left: 20, right: 20, top: view.width <= 520 ? 135 : 90, bottom: 60 + view.height * .32 };
}

// Brings a point to the middle of what is not covered.
function centre(x, y) {
  const { left, right, top, bottom } = covered();
  view.x = x + (right - left) / 2 / pixels();
  view.y = y + (bottom - top) / 2 / pixels();
}

// The point under (sx, sy) stays where it is.
function zoomBy(steps, sx = view.width / 2, sy = view.height / 2) {
  const [x, y] = toWorld(sx, sy);
  view.zoom = Math.max(ZOOM_MIN, Math.min(ZOOM_MAX, view.zoom + steps));
  const [nx, ny] = toWorld(sx, sy);
  moveBy(x - nx, y - ny);
}

function moveBy(dx, dy) {
  view.x = Math.max(0, Math.min(1, view.x + dx));
  view.y = Math.max(0, Math.min(1, view.y + dy));
  view.touched = dirty = true;
}

// Chooses the vehicle nearest to (sx, sy), if one is within reach.
function pick(sx, sy, reach) {
  let best = reach ** 2, found = null;
  for (const vehicle of vehicles.values()) {
    if (!vehicle.screen) continue;
    const distance = (vehicle.screen[0] - sx) ** 2 + (vehicle.screen[1] - sy) ** 2;
    if (distance < best) { best = distance; found = vehicle.vehicle_id; }
  }
  choose(found);
}

const fingers = new Map();
canvas.addEventListener("pointerdown", (e) => {
  canvas.setPointerCapture(e.pointerId);
  fingers.set(e.pointerId, [e.clientX, e.clientY]);
  // A finger does not hover: it touches what it means.
  if (e.pointerType === "touch") pick(e.clientX, e.clientY, 24);
});
for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (e) => fingers.delete(e.pointerId));
canvas.addEventListener("pointermove", (e) => {
  const before = fingers.get(e.pointerId);
  if (!before) return pick(e.clientX, e.clientY, 14);
  const other = [...fingers].find(([id]) => id !== e.pointerId)?.[1];
  if (other) {
    const span = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
    zoomBy(Math.log2(span([e.clientX, e.clientY]) / span(before)), (e.clientX + other[0]) / 2, (e.clientY + other[1]) / 2);
  } else {
    moveBy((before[0] - e.clientX) / pixels(), (before[1] - e.clientY) / pixels());
  }
  fingers.set(e.pointerId, [e.clientX, e.clientY]);
});
// A finger that is lifted leaves too, and what it chose is to be read then.
canvas.addEventListener("pointerleave", (e) => { if (e.pointerType !== "touch") choose(null); });
document.addEventListener("keydown", (e) => { if (e.key === "Escape") choose(null); });
canvas.addEventListener("wheel", (e) => {
  e.preventDefault();
  const lines = e.deltaMode === 1 ? e.deltaY * 16 : e.deltaY;
  zoomBy(Math.max(-1, Math.min(1, -lines / 240)), e.clientX, e.clientY);
}, { passive: false });
canvas.addEventListener("dblclick", (e) => zoomBy(1, e.clientX, e.clientY));
canvas.addEventListener("keydown", (e) => {
  const step = 80 / pixels();
  const keys = {
    ArrowLeft: () => moveBy(-step, 0), ArrowRight: () => moveBy(step, 0),
    ArrowUp: () => moveBy(0, -step), ArrowDown: () => moveBy(0, step),
    "+": () => zoomBy(.5), "=": () => zoomBy(.5), "-": () => zoomBy(-.5), "0": fit,
  };
  if (!keys[e.key] || e.ctrlKey || e.metaKey) return;
  e.preventDefault();
  keys[e.key]();
});
$("zoom-in").onclick = () => zoomBy(1);
$("zoom-out").onclick = () => zoomBy(-1);
$("fit").onclick = () => { view.touched = false; fit(); };

// ------------------------------------------------------------------ start ---

const darkness = matchMedia("(prefers-color-scheme: dark)");
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  readColours();
}
let stored = null;
try { stored = localStorage.getItem("theme"); } catch { /* storage is switched off */ }
setTheme(stored ?? (darkness.matches ? "dark" : "light"));
darkness.addEventListener("change", () => { if (!stored) setTheme(darkness.matches ? "dark" : "light"); });
$("theme").onclick = () => {
  stored = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", stored); } catch { /* it holds for this page */ }
  setTheme(stored);
};

new ResizeObserver(() => {
  const ratio = devicePixelRatio || 1;
  view.width = canvas.clientWidth;
  view.height = canvas.clientHeight;
  canvas.width = view.width * ratio;
  canvas.height = view.height * ratio;
  if (!view.touched) fit();
  dirty = true;
}).observe(canvas);

$("example").textContent = `curl -s ${location.origin}/v1/pings -H 'content-type: application/json' -d '{
  "vehicle_id": "bus-1", "event_time": "${new Date().toISOString()}",
  "lat": 30.2672, "lon": -97.7431 }'`;

// Calls again and again, each time after the last call has ended, and soon
// after one that has failed; resolves once the first has ended.
function repeat(task, everyMs) {
  const call = async () => {
    let pause = everyMs;
    try { await task(); } catch { pause = Math.min(everyMs, AGAIN_AFTER_MS); }
    setTimeout(call, document.hidden ? 4 * pause : pause);
  };
  return call();
}
repeat(loadFences, FENCES_EVERY_MS);
// Who is where comes before what happens: a stream at its fastest leaves a page
// little time for anything else.
repeat(pollPositions, POSITIONS_EVERY_MS).then(follow);
requestAnimationFrame(draw);
