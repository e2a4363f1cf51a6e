// Redraw what depends on trajectory, zoom and drive phase. Arguments: see `_callback` in page.py.
const start = Math.min(x_range.start, x_range.end);
const stop = Math.max(x_range.start, x_range.end);
const chosen = choice === null ? [0] : choice.value.map(Number);

// The finest level of a record with few enough points in view, and its points there (one beyond each end).
function visible(levels) {
  let level = levels[levels.length - 1];
  for (const candidate of levels) {
    const perSample = candidate[2] === 1 ? 1 : 2 / candidate[2];
    if ((perSample * (stop - start)) / step <= most_points) {
      level = candidate;
      break;
    }
  }
  const [offset, count, bin] = level;
  const spacing = bin === 1 ? step : (step * bin) / 2;
  const first = Math.max(0, Math.floor((start - origin) / spacing) - 2);
  const last = Math.min(count - 1, Math.ceil((stop - origin) / spacing) + 2);
  const xs = [];
  const ys = [];
  for (let place = first; place <= last; place++) {
    xs.push(origin + spacing * place);
    ys.push(store[offset + place]);
  }
  return { xs, ys, bin };
}

let coarsest = 1;
for (const panel of panels) {
  const data = { xs: [], ys: [], color: [], alpha: [], width: [], label: [] };
  // the first chosen is drawn last, on top
  for (const number of [...chosen].reverse()) {
    for (const line of panel.lines) {
      const found = visible(index[line.records[number]]);
      coarsest = Math.max(coarsest, found.bin);
      data.xs.push(found.xs);
      data.ys.push(found.ys);
      data.color.push(line.color);
      data.alpha.push(number === chosen[0] ? 1.0 : 0.45);
      data.width.push(number === chosen[0] ? 1.4 : 0.9);
      data.label.push(`${line.label}, trajectory ${number}`);
    }
  }
  panel.source.data = data;
}

const phase = slider === null ? null : slider.value;
if (plane !== null) {
  const data = { x: [], y: [] };
  const marked = { x: [], y: [] };
  const dots = plane.times.length;
  for (let place = 0; place < dots; place++) {
    const time = plane.times[place];
    if (time < start || time > stop || chosen.length === 0) continue;
    const x = plane.first[chosen[0] * dots + place];
    const y = plane.second[chosen[0] * dots + place];
    data.x.push(x);
    data.y.push(y);
    if (phase !== null) {
      let off = Math.abs((((time / period) % 1) + 1) % 1 - phase);
      off = Math.min(off, 1 - off);
      if (off <= phase_width) {
        marked.x.push(x);
        marked.y.push(y);
      }
    }
  }
  plane.source.data = data;
  plane.marked.data = marked;
}

if (phase !== null) {
  const turn = Math.ceil(start / period - phase - 1e-9);
  for (const span of time_spans) span.location = (turn + phase) * period;
  for (const span of phase_spans) span.location = phase;
}
if (status !== null) {
  const detail = coarsest === 1
    ? "Every stored sample in view is drawn."
    : `In view: smallest and largest of every ${coarsest} samples; zoom in for more.`;
  const limit = finest === 1 ? "" : ` This page keeps bins of ${finest} samples, with their extremes.`;
  status.text = detail + limit;
}
