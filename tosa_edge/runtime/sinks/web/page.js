// One connection brings everything: three pictures, then the numbers. What is heard is drawn a few times a second.

import * as controls from "./controls.js";
import { plot, SECONDS } from "./plot.js";
import { parts } from "./stream.js";

const $ = (id) => document.getElementById(id);
const RETRY_MS = 1500;
const DRAW_MS = 200;
const SILENCE_S = 2;

const rows = []; // [seconds, fps, latency, age]
const stages = {}; // smoothed, or nobody could read them
let now = null; // the newest numbers
let arrived = 0; // when the newest frame did
let trouble = "connecting";
let reading = null;
let watching = false;

async function watch() {
  if (watching) return;
  watching = true;
  while (!document.hidden) {
    reading = new AbortController();
    try {
      const answer = await fetch("live", { signal: reading.signal });
      if (!answer.ok) throw new Error((await answer.text()) || answer.statusText);
      for await (const [name, body] of parts(answer.body)) await take(name, body);
      trouble = "connection lost";
    } catch (error) {
      trouble = error instanceof TypeError ? "not reachable; if it was restarted, open the address it printed" : error.message;
    }
    if (!document.hidden) await new Promise((resume) => setTimeout(resume, RETRY_MS));
  }
  watching = false;
}

async function take(name, body) {
  trouble = "";
  const json = () => JSON.parse(new TextDecoder().decode(body));
  if (name === "history") rows.splice(0, rows.length, ...json());
  else if (name === "numbers") hear(json());
  else await picture(name, body);
}

async function picture(name, body) {
  const canvas = document.querySelector(`[data-tile="${name}"] canvas`);
  const bitmap = await createImageBitmap(new Blob([body], { type: "image/jpeg" }));
  if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
  if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

function hear(latest) {
  if (latest.frame !== undefined && latest.frame !== now?.frame) {
    arrived = performance.now();
    rows.push([latest.seconds, latest.fps, latest.latency_ms, latest.age_ms]);
    for (const [stage, taken] of Object.entries(latest.stages_ms))
      stages[stage] = stage in stages ? stages[stage] + 0.1 * (taken - stages[stage]) : taken;
  }
  now = latest;
  controls.show(latest);
}

function state() {
  const silent = (performance.now() - arrived) / 1000;
  if (now?.ended) return ["over", "the run has ended"];
  if (trouble) return ["waiting", trouble];
  if (now?.frame === undefined) return ["waiting", "no frame yet"];
  if (silent > SILENCE_S) return ["waiting", `no frame for ${silent.toFixed(0)} s`];
  return now.controls.paused ? ["waiting", "view paused, the run goes on"] : ["live", "live"];
}

function draw() {
  [$("state").dataset.kind, $("state").textContent] = state();
  if (now?.frame === undefined) return;
  const [height, width] = now.input;
  $("about").textContent = [now.label, now.model, `${width}×${height}`, now.precision].filter(Boolean).join(" · ");
  $("frame").textContent = `frame ${now.shown}`;
  $("kept").textContent = now.tokens;
  document.querySelector('[data-tile="kept"]').hidden = !now.tokens;
  for (const [column, name] of ["fps", "latency", "age"].entries()) $(name).textContent = mean(column + 1).toFixed(1);
  for (const name of ["dropped", "reconnects"]) $(name).textContent = now[name];
  while (rows.length && rows[0][0] < now.seconds - SECONDS - 1) rows.shift();
  for (const card of document.querySelectorAll(".plot"))
    plot(card.querySelector("canvas"), rows, Number(card.dataset.column), now.seconds);
  drawStages();
}

function mean(column) {
  const late = rows.filter((row) => row[0] > now.seconds - 1);
  const all = late.length ? late : rows.slice(-1);
  return all.reduce((sum, row) => sum + row[column], 0) / all.length;
}

function drawStages() {
  const longest = Math.max(...Object.values(stages));
  for (const [stage, taken] of Object.entries(stages)) {
    const row = $(`stage-${stage}`) ?? newStage(stage);
    row.cells[1].firstChild.style.width = `${(100 * taken) / longest}%`;
    row.cells[2].textContent = `${taken.toFixed(2)} ms`;
  }
}

function newStage(stage) {
  const row = $("stages").insertRow();
  row.id = `stage-${stage}`;
  row.insertCell().textContent = stage;
  row.insertCell().append(document.createElement("i"));
  row.insertCell();
  return row;
}

// The token has become a cookie; it need not stand in the address bar, nor in the history.
history.replaceState(null, "", location.pathname);
// A page nobody sees costs the robot nothing.
document.addEventListener("visibilitychange", () => (document.hidden ? reading?.abort() : watch()));
controls.start();
setInterval(draw, DRAW_MS);
watch();
