// What a viewer may change. The server keeps it, so all viewers see the same; here it is shown and asked for.

const $ = (id) => document.getElementById(id);
const SETTLING_MS = 600; // after a touch, what the server says of the controls may still be old
let touched = -Infinity;
let waiting = null;
let asking = false;
let bounds = null; // of the sliders; they stay while the range is held
let metric = false;

export function start() {
  $("pause").onclick = () => ask({ paused: $("pause").getAttribute("aria-pressed") !== "true" });
  $("colour-map").onchange = () => ask({ colour_map: $("colour-map").value });
  $("auto").onchange = () => ask($("auto").checked ? { near: null, far: null } : chosen());
  for (const end of ["near", "far"])
    $(end).oninput = () => {
      keepOrder(end);
      figures();
      $("auto").checked = false;
      ask(chosen());
    };
  document.onkeydown = (event) => {
    if (event.key === " " && event.target === document.body) {
      event.preventDefault();
      $("pause").click();
    }
  };
}

export function show(numbers) {
  const { controls, range } = numbers;
  metric = numbers.output === "metric_depth";
  if (!$("colour-map").options.length) $("colour-map").append(...numbers.colour_maps.map((name) => new Option(name)));
  $("swatches").style.background = `linear-gradient(to right, ${numbers.swatches.join()})`;
  if (performance.now() - touched < SETTLING_MS) return;
  $("pause").setAttribute("aria-pressed", controls.paused);
  $("pause").textContent = controls.paused ? "Resume" : "Pause";
  $("colour-map").value = controls.colour_map;
  $("auto").checked = controls.near === null;
  if (range && (controls.near === null || !bounds)) spread(range);
  const [near, far] = controls.near === null ? (range ?? [1, 0]) : [controls.near, controls.far];
  $("near").value = near;
  $("far").value = far;
  figures();
}

// Half a range beyond either end, so that there is somewhere to go.
function spread([near, far]) {
  const span = Math.abs(near - far);
  bounds = [Math.min(near, far) - span / 2, Math.max(near, far) + span / 2];
  if (metric) bounds[0] = Math.max(bounds[0], 0.1);
  for (const end of ["near", "far"]) [$(end).min, $(end).max] = bounds;
}

// Near stays nearer than far: the other one is pushed along.
function keepOrder(moved) {
  const sign = metric ? -1 : 1; // relative inverse depth is larger where it is nearer
  const least = (bounds[1] - bounds[0]) / 100;
  const near = Number($("near").value), far = Number($("far").value);
  if (sign * (near - far) >= least) return;
  if (moved === "near") $("far").value = near - sign * least;
  else $("near").value = far + sign * least;
}

function chosen() {
  return { near: Number($("near").value), far: Number($("far").value) };
}

function figures() {
  for (const end of ["near", "far"])
    $(`${end}-value`).textContent = Number($(end).value).toFixed(2).replace("-", "\u2212") + (metric ? " m" : "");
}

// One request at a time; of what is asked meanwhile the last word counts.
async function ask(change) {
  touched = performance.now();
  waiting = { ...waiting, ...change };
  if (asking) return;
  asking = true;
  while (waiting) {
    const body = JSON.stringify(waiting);
    waiting = null;
    try {
      const headers = { "Content-Type": "application/json", "X-Tosa-Edge": "control" };
      const answer = await fetch("control", { method: "POST", headers, body });
      if (!answer.ok) console.warn(await answer.text());
    } catch {
      // The stream notices too, and says so.
    }
  }
  asking = false;
  if (!("near" in change)) touched = -Infinity;
}
