// One line over the last minute. The scale begins at 0 and ends at a round number above everything shown.

export const SECONDS = 60;
const INK = { line: "#6cb6ff", fill: "rgba(108, 182, 255, 0.12)", grid: "#252d38", text: "#8792a0" };
const RIGHT = 34; // pixels for the scale's figures

export function plot(canvas, rows, column, until) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const ink = canvas.getContext("2d");
  ink.setTransform(ratio, 0, 0, ratio, 0, 0);
  ink.clearRect(0, 0, width, height);

  const bottom = height - 18, top = 5, right = width - RIGHT;
  const most = above(Math.max(...rows.map((row) => row[column]), 1e-3));
  const x = (seconds) => right * (1 - (until - seconds) / SECONDS);
  const y = (value) => bottom - ((bottom - top) * value) / most;

  ink.font = "11px system-ui, sans-serif";
  ink.fillStyle = INK.text;
  ink.textBaseline = "middle";
  for (const value of [0, most / 2, most]) {
    ink.fillStyle = INK.grid;
    ink.fillRect(0, Math.round(y(value)), right, 1);
    ink.fillStyle = INK.text;
    ink.fillText(String(Number(value.toPrecision(3))), right + 6, y(value));
  }
  ink.textBaseline = "alphabetic";
  ink.fillText("1 min ago", 0, height - 3);
  ink.fillText("now", right - ink.measureText("now").width, height - 3);

  const shown = rows.filter((row) => x(row[0]) >= 0);
  if (shown.length < 2) return;
  const line = new Path2D();
  for (const row of shown) line.lineTo(x(row[0]), y(row[column]));
  const area = new Path2D(line);
  area.lineTo(x(shown.at(-1)[0]), bottom);
  area.lineTo(x(shown[0][0]), bottom);
  ink.fillStyle = INK.fill;
  ink.fill(area);
  ink.strokeStyle = INK.line;
  ink.lineWidth = 1.5;
  ink.lineJoin = "round";
  ink.stroke(line);
}

function above(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].find((step) => step * power >= value) * power;
}
