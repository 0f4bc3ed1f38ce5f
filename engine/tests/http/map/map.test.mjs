// What the map's script does with what a worker answers and what people do.

import assert from "node:assert/strict";
import { test } from "node:test";

import { open } from "./page.mjs";

const vehicle = (vehicle_id, lat, lon) =>
  ({ vehicle_id, lat, lon, event_time: "2026-03-01T12:00:00.000Z", status: "moving", fences: [] });

// 4,000 vehicles in one city, 5 in another.
const fleet = () => [
  ...Array.from({ length: 4000 }, (_, i) => vehicle(`bus-${i}`, 30 + i * 1e-5, -97)),
  ...Array.from({ length: 5 }, (_, i) => vehicle(`van-${i}`, 50 + i * 1e-4, 8)),
];

test("of a large fleet those in view are fetched, time after time, and all are counted", async () => {
  const page = open(fleet());
  await page.refresh();
  assert.equal(page.element("vehicles").textContent, "4,005");
  assert.equal(page.element("shown").hidden, true);

  page.look(50, 8, 13);
  for (let round = 0; round < 3; round++) {
    page.asked.length = 0;
    await page.refresh();
    assert.equal(page.asked.filter((path) => path.includes("bbox=")).length, 1, page.asked.join());
    assert.ok(page.asked.every((path) => path.includes("bbox=") || path.endsWith("limit=0")), page.asked.join());
    assert.equal(page.element("vehicles").textContent, "4,005");
    assert.deepEqual(page.counts(), ["5", "0", "0", "0"]);
    assert.equal(page.element("shown").hidden, false);
    assert.equal(page.element("shown").textContent, "Showing 5 of 4,005 vehicles");
    assert.equal(page.element("map").attributes["aria-label"], "Live map, showing 5 of 4,005 vehicles: 5 moving");
  }
});

test("a view without vehicles does not say that none has reported", async () => {
  const page = open(fleet());
  await page.refresh();
  page.look(0, 0, 13);
  await page.refresh();
  assert.deepEqual(page.counts(), ["0", "0", "0", "0"]);
  assert.equal(page.element("empty").hidden, true);
  assert.equal(page.element("clock").textContent, "12:00:00");
});

test("a worker without vehicles says how to send the first", async () => {
  const page = open([]);
  await page.refresh();
  assert.equal(page.element("empty").hidden, false);
  assert.equal(page.element("clock").textContent, "–");
});

test("a finger chooses what it touches, and lifting it keeps that", async () => {
  const page = open([vehicle("van-1", 50, 8)]), map = page.element("map"), tip = page.element("tip");
  await page.refresh();
  page.look(50, 8, 13);
  await page.refresh();
  assert.equal(tip.hidden, true);
  const finger = { pointerType: "touch", pointerId: 1, clientX: 652, clientY: 412 };
  for (const kind of ["pointerdown", "pointerup", "pointerleave"]) map.fire(kind, finger);
  await page.refresh();
  assert.equal(tip.hidden, false);
  assert.equal(tip.children[0].textContent, "van-1");

  map.fire("pointerdown", { ...finger, clientX: 100 });
  await page.refresh();
  assert.equal(tip.hidden, true, "beside it is none");
});

test("a mouse chooses what it is over, and no longer", async () => {
  const page = open([vehicle("van-1", 50, 8)]), map = page.element("map"), tip = page.element("tip");
  await page.refresh();
  page.look(50, 8, 13);
  await page.refresh();
  const mouse = { pointerType: "mouse", pointerId: 1, clientX: 648, clientY: 404 };
  map.fire("pointermove", mouse);
  await page.refresh();
  assert.equal(tip.hidden, false);
  map.fire("pointerleave", mouse);
  await page.refresh();
  assert.equal(tip.hidden, true);
});

const entered = (vehicle_id) => ({
  op: "assert", vehicle_id, fence_id: "depot", event_time: "2026-03-01T12:00:00.000Z", reason: "crossed",
});

test("a flood of events holds up no picture: of those that would be gone again none is made", async () => {
  const page = open([vehicle("van-1", 50, 8)]), list = page.element("list");
  await page.refresh();
  const before = page.made();
  for (let i = 0; i < 10_000; i++) page.tell("geofence_enter", entered(`bus-${i}`));
  assert.equal(page.made(), before, "a picture is soon enough");
  await page.refresh();
  assert.ok(page.made() - before < 1_000, `${page.made() - before} elements`);
  assert.equal(page.element("events").textContent, "10,000");
  const told = list.children.map((item) => item.children[1].title);
  assert.deepEqual(told, Array.from({ length: 100 }, (_, i) => `bus-${9_999 - i}`));

  page.tell("gap", {});
  page.tell("geofence_enter", entered("van-1"));
  await page.refresh();
  assert.equal(list.children.length, 100);
  assert.equal(list.children[0].children[1].title, "van-1");
  assert.match(list.children[1].children[1].textContent, /may be missing/);
  assert.equal(list.children[2].children[1].title, "bus-9999");
  assert.equal(page.element("events").textContent, "10,001");
});

test("who is where is there before the stream is opened", async () => {
  const page = open([vehicle("van-1", 50, 8)]);
  assert.deepEqual(page.asked, ["/v1/fences", "/v1/positions?limit=20000"]);
  await page.settled();
  assert.equal(page.element("vehicles").textContent, "1");
  assert.equal(page.asked[2], "/v1/events");
  assert.equal(page.asked.length, 3);
});

test("fences that could not be had are asked for again at once, and not with the next look", async () => {
  const page = open([], { refused: "/v1/fences" });
  await page.settled();
  assert.deepEqual(page.pauses(), [1000, 1000]);
});

test("an event is a button, which shows its vehicle where no panel covers it", async () => {
  const page = open([vehicle("van-1", 50, 8)], { width: 390, height: 844 }), tip = page.element("tip");
  await page.refresh();
  page.tell("geofence_enter", entered("van-1"));
  await page.refresh();
  const what = page.element("list").children[0].children.find((child) => child.className === "what");
  assert.equal(what.name, "button");
  what.fire("click");
  await page.refresh();
  assert.equal(tip.hidden, false);
  const [sx, sy] = page.run("vehicles.get('van-1').screen");
  assert.equal(Math.round(sx), 195);
  assert.ok(sy > 135 && sy < 844 * .68 - 64, `${sy} is between the legend and the events`);

  page.document.fire("keydown", { key: "Escape" });
  await page.refresh();
  assert.equal(tip.hidden, true);
});

test("what is told of a vehicle is whole on a phone", async () => {
  const page = open([vehicle("van-1", 50, 8)], { width: 390, height: 844 }), tip = page.element("tip");
  tip.offsetWidth = 290;
  await page.refresh();
  for (const lon of [7.99, 8, 8.01]) {
    page.look(50, lon, 13);
    await page.refresh();
    const [clientX, clientY] = page.run("vehicles.get('van-1').screen");
    page.element("map").fire("pointermove", { pointerType: "mouse", pointerId: 1, clientX, clientY });
    await page.refresh();
    const left = Number.parseFloat(tip.style.left);
    assert.ok(left >= 0 && left + tip.offsetWidth <= 390, `${left} px from the left`);
  }
});
