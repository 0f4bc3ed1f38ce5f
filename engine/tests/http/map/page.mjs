// As much of a browser as the map's script asks for, and a worker that answers
// it. Draws nothing and keeps no layout.

import { readFileSync } from "node:fs";
import vm from "node:vm";

const SCRIPT = new URL("../../../src/http/map/map.js", import.meta.url);

class Element {
  constructor(name) {
    Object.assign(this, { name, dataset: {}, style: {}, attributes: {}, children: [], listeners: {}, hidden: false });
    Object.assign(this, { textContent: "", scrollTop: 0, offsetWidth: 100, offsetHeight: 50 });
    this.classList = { add() {} };
  }
  get firstChild() { return this.children[0]; }
  get lastElementChild() { return this.children.at(-1) ?? (this.fallback ??= new Element("i")); }
  get childElementCount() { return this.children.length; }
  append(...made) { for (const child of made) { child.parent = this; this.children.push(child); } }
  prepend(...made) { for (const child of made) child.parent = this; this.children.unshift(...made); }
  replaceChildren(...made) { this.children = []; this.append(...made); }
  remove() { this.parent.children = this.parent.children.filter((child) => child !== this); }
  setAttribute(name, value) { this.attributes[name] = value; }
  setPointerCapture() {}
  addEventListener(kind, listener) { (this.listeners[kind] ??= []).push(listener); }
  // Upwards, as a browser does it.
  fire(kind, event = {}) {
    for (const listener of this.listeners[kind] ?? []) listener({ preventDefault() {}, ...event });
    this.parent?.fire(kind, event);
  }
  // Draws nothing, but has words a width.
  getContext() {
    return new Proxy({}, {
      get: (_, name) => name === "measureText" ? () => ({ width: 10 }) : () => {},
      set: () => true,
    });
  }
}

// The page of a worker that has these vehicles, in a window of so many pixels;
// what is asked of the path `refused` fails.
export function open(vehicles, { width = 1280, height = 800, refused } = {}) {
  const elements = {}, statuses = ["moving", "stationary", "idle", "offline"], asked = [], pauses = [];
  const stream = new Element("stream");
  let made = 0;
  const rows = statuses.map((status) => {
    const row = new Element("div");
    row.dataset.status = status;
    return row;
  });
  const document = Object.assign(new Element("document"), {
    body: new Element("body"),
    documentElement: new Element("html"),
    getElementById: (id) => elements[id] ??= new Element(id),
    createElement: (name) => { made++; return new Element(name); },
    querySelectorAll: () => rows,
  });
  Object.assign(document.getElementById("map"), { clientWidth: width, clientHeight: height });

  const fetch = async (path) => {
    asked.push(path);
    if (path === refused) return { ok: false, status: 503 };
    const query = new URL(path, "http://worker").searchParams;
    const [west, south, east, north] = query.get("bbox")?.split(",").map(Number) ?? [-180, -90, 180, 90];
    const inside = vehicles.filter(({ lat, lon }) => lat >= south && lat <= north && lon >= west && lon <= east);
    const body = path.startsWith("/v1/fences") ? { features: [] } : inside.slice(0, query.get("limit"));
    const headers = new Map([["x-total-count", String(inside.length)]]);
    return { ok: true, headers: { get: (name) => headers.get(name) ?? null }, json: async () => body };
  };
  const context = vm.createContext({
    document, fetch, AbortSignal, performance,
    devicePixelRatio: 1,
    location: { origin: "http://worker" },
    localStorage: new Map(),
    matchMedia: () => ({ matches: true, addEventListener() {} }),
    getComputedStyle: () => ({ getPropertyValue: () => "" }),
    requestAnimationFrame() {},
    setTimeout: (_, ms) => { pauses.push(ms); },
    Path2D: class { moveTo() {} lineTo() {} closePath() {} arc() {} },
    EventSource: class {
      constructor(path) { asked.push(path); }
      addEventListener(kind, listener) { stream.addEventListener(kind, listener); }
    },
    ResizeObserver: class {
      constructor(resized) { this.observe = resized; }
    },
  });
  context.localStorage.getItem = () => null;
  vm.runInContext(readFileSync(SCRIPT, "utf8"), context);
  return {
    asked,
    element: document.getElementById,
    document,
    counts: () => rows.map((row) => row.lastElementChild.textContent),
    // How many elements the script has made.
    made: () => made,
    // How long it waits for what it does next, milliseconds.
    pauses: () => pauses,
    // Until all that it began has come to an end or a pause.
    settled: () => new Promise((resolve) => setTimeout(resolve)),
    // An event of the stream.
    tell: (kind, event) => stream.fire(kind, { data: JSON.stringify(event) }),
    run: (code) => vm.runInContext(code, context),
    // Positions once more, and a picture of them.
    async refresh() {
      await vm.runInContext("loadPositions()", context);
      vm.runInContext("dirty = true; draw(performance.now())", context);
    },
    look(lat, lon, zoom) {
      vm.runInContext(`[view.x, view.y] = project(${lon}, ${lat}); view.zoom = ${zoom}; view.touched = true;`, context);
    },
  };
}
