// Charts: SVG drawn at the size that it is shown at, so that text is never stretched.
const SVG = ["svg", "path", "line", "text", "circle", "rect", "g"];
function make(name, attributes, ...children) {
  const node = SVG.includes(name) ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Round steps of 1, 2 or 5 times a power of ten (of two for bytes). */
function ticks(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= raw) || raw;
  const out = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) out.push(v);
  return out;
}
/** How many decimals tell places of one axis apart. */
function decimals(at) {
  const step = at.length > 1 ? at[1] - at[0] : 1;
  let places = 0;
  while (places < 6 && Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) > 1e-6) places++;
  return places;
}
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];
function timeTicks(from, to, count) {
  const step = STEPS.find((s) => (to - from) / s <= count) || (to - from) / count;
  const zone = new Date(from * 1000).getTimezoneOffset() * 60;
  const out = [];
  for (let t = Math.ceil((from - zone) / step) * step + zone; t <= to; t += step) out.push(t);
  return { at: out, label: (t) => (step >= 86400 ? day(t) : clock(t, step < 60)) };
}

const HEIGHT = 190, LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 22;
/** A frame with both axes, and how values become places in it. */
function plane(caption, width, x, y) {
  const svg = make("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": caption });
  const px = (v) => LEFT + (width - LEFT - RIGHT) * (v - x.low) / (x.high - x.low || 1);
  const py = (v) => TOP + (HEIGHT - TOP - BOTTOM) * (y.high - v) / (y.high - y.low || 1);
  for (const at of y.at) {
    svg.append(make("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: py(at), y2: py(at) }),
      make("text", { x: LEFT - 6, y: py(at) + 4, "text-anchor": "end" }, y.label(at)));
  }
  svg.append(make("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM }));
  for (const at of x.at) {
    const place = px(at), anchor = place > width - 30 ? "end" : place < LEFT + 15 ? "start" : "middle";
    svg.append(make("text", { x: place, y: HEIGHT - 6, "text-anchor": anchor }, x.label(at)));
  }
  return { svg, px, py };
}

/** A path through the values that are there; gaps stay gaps. */
function through(t, v, px, py) {
  let path = "", pen = false;
  v.forEach((value, i) => {
    if (value != null) path += `${pen ? "L" : "M"}${px(t[i]).toFixed(1)} ${py(value).toFixed(1)}`;
    pen = value != null;
  });
  return path;
}

function key(kind, tone, name, value) {
  return make("span", { class: `key ${kind} ${tone}` }, make("i", {}, value == null ? name : `${name} ${value}`));
}

let hovering = false;
/** Shows the values under the pointer; `at` gives the place and the lines for a place on the x axis. */
function hover(figure, svg, width, at) {
  const cursor = make("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, x1: -9, x2: -9 });
  svg.append(cursor);
  let tip = null;
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const found = at((event.clientX - box.left) * width / box.width);
    if (!found) return;
    hovering = true;
    if (!tip) figure.append(tip = make("div", { class: "tip" }));
    cursor.setAttribute("x1", found.x);
    cursor.setAttribute("x2", found.x);
    tip.replaceChildren(...found.lines.map(([name, value]) => make("div", {}, make("span", {}, name), make("b", {}, value))));
    const place = found.x * box.width / width, left = place > box.width / 2 ? place - tip.offsetWidth - 12 : place + 12;
    tip.style.left = `${Math.max(0, Math.min(left, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${box.top - figure.getBoundingClientRect().top + TOP}px`;
  });
  svg.addEventListener("pointerleave", () => {
    hovering = false;
    tip?.remove();
    tip = null;
    cursor.setAttribute("x1", -9);
    cursor.setAttribute("x2", -9);
  });
}
function nearest(sorted, v) {
  let low = 0, high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < v) low = middle + 1; else high = middle;
  }
  return low > 0 && v - sorted[low - 1] < sorted[low] - v ? low - 1 : low;
}

function figure(caption, small, legend, body, broad) {
  const head = make("figcaption", {}, caption);
  if (small) head.append(make("small", {}, small));
  return make("figure", broad ? { class: "broad" } : {}, head, ...(legend ? [make("p", { class: "legend" }, ...legend)] : []), body);
}
const nothing = (caption, why) => figure(caption, null, null, make("p", { class: "note" }, why));

/**
 * Lines over time. A series is {t?, v, name, tone, kind: main | step | dots | dash}; `lines` are levels that are
 * drawn across where they are near the values.
 */
function timeChart({ caption, unit, t, series, label, lines, zero, broad, width }) {
  const values = series.flatMap((s) => s.v).filter((v) => v != null);
  if (t.length < 2 || !values.length) return nothing(caption, say("fewer"));
  let low = Math.min(...values), high = Math.max(...values);
  const near = lines.filter((l) => l.v != null && l.v < high + (high - low) + high * 0.5 && l.v > low * 0.5);
  high = Math.max(high, ...near.map((l) => l.v));
  low = Math.min(low, ...near.map((l) => l.v));
  // Noise does not fill the chart.
  const room = Math.max((high - low) * 0.08, Math.abs(high) * (high === low ? 0.05 : 0.005)) || 1;
  low = zero ? 0 : Math.max(0, low - room);
  high += room;
  const scale = unit(high);
  const levels = ticks(low / scale.size, high / scale.size, 4).filter((v) => !scale.whole || v % 1 === 0), places = decimals(levels);
  const y = { low, high, at: levels.map((v) => v * scale.size), label: (v) => fixed(v / scale.size, places) };
  const times = timeTicks(t[0], t.at(-1), Math.max(4, Math.floor(width / 90)));
  const { svg, px, py } = plane(caption, width, { low: t[0], high: t.at(-1), ...times }, y);
  const keys = [];
  for (const l of near) {
    svg.append(make("line", { class: `dash ${l.tone}`, x1: LEFT, x2: width - RIGHT, y1: py(l.v), y2: py(l.v) }));
  }
  for (const s of series.filter((s) => s.v.some((v) => v != null))) {
    const times = s.t || t;
    keys.push(key({ dots: "dot", dash: "dash" }[s.kind] || "", s.tone, s.name));
    if (s.kind === "dots") {
      const r = s.v.filter((v) => v != null).length > 80 ? 1.5 : 2.5;
      s.v.forEach((v, i) => v != null && svg.append(make("circle", { class: s.tone, cx: px(times[i]).toFixed(1), cy: py(v).toFixed(1), r })));
    } else if (s.kind === "step") {
      let from = px(t[0]), path = "";
      s.v.forEach((v, i) => {
        const to = px(times[i]);
        path += `${path ? "L" : "M"}${from.toFixed(1)} ${py(v).toFixed(1)}L${to.toFixed(1)} ${py(v).toFixed(1)}`;
        from = to;
      });
      svg.append(make("path", { class: `floor ${s.tone}`, d: path }));
    } else {
      svg.append(make("path", { class: `main ${s.kind === "dash" ? "dash" : ""} ${s.tone}`, d: through(times, s.v, px, py) }));
    }
  }
  keys.push(...near.map((l) => key("dash", l.tone, l.name, label(l.v))));
  const out = figure(caption, scale.name, keys, svg, broad);
  hover(out, svg, width, (place) => {
    const wanted = t[0] + (place - LEFT) / (width - LEFT - RIGHT) * (t.at(-1) - t[0]), i = nearest(t, wanted);
    const shown = series.filter((s) => s.kind !== "dash").map((s) => {
      const v = s.t ? s.v[Math.min(s.t.findIndex((at) => at >= t[i] - 1e-6) >>> 0, s.v.length - 1)] : s.v[i];
      return [s.name, v == null ? null : label(v)];
    });
    return { x: px(t[i]), lines: [[moment(t[i]), ""], ...shown.filter(([, v]) => v != null)] };
  });
  return out;
}

const byteUnit = (high) => {
  const [size, name] = unitOf(high);
  return { size, name };
};
/** Counts; of what is whole no half stands on an axis. */
const countUnit = (name, whole) => () => ({ size: 1, name, whole });
const TONES = ["one", "two", "three", "none"], UNKNOWN = 3;
/** Keys of the generations that are there. */
const generations = (kind, there) => [0, 1, 2, UNKNOWN].filter(there).map((g) => key(kind, TONES[g], generation(g)));
function generation(g) {
  if (g === UNKNOWN) return say("genUnknown");
  return lang === "zh" ? `${say("gen")} ${g} 代` : `${say("gen")} ${g}`;
}

/** Each pause as a dot: when, and how long. Where only the latest were kept, the time of those. */
function pauseChart(pauses, begin, to, objective, width) {
  const caption = say("pauseChart");
  if (!pauses) return nothing(caption, say("noPauses"));
  const rows = pauses.latest.filter(([t]) => t >= begin && t <= to);
  if (!rows.length) return nothing(caption, say("noCollection"));
  const cut = rows.length < pauses.seen && rows[0][0] - begin > (to - begin) / 2;
  const from = cut ? rows[0][0] : begin;
  const lengths = rows.map((r) => Math.max(r[1], 1e-7)), log = Math.log10;
  let most = log(Math.max(...lengths)), least = log(Math.min(...lengths));
  const shown = objective != null && log(objective) < most + 1.3;
  if (shown) most = Math.max(most, log(objective));
  const y = { low: Math.floor(least - 0.05), high: Math.max(Math.ceil(most + 0.05), Math.floor(least) + 1), label: (v) => tick(10 ** v) };
  y.at = Array.from({ length: y.high - y.low + 1 }, (_, i) => y.low + i);
  const times = timeTicks(from, to, Math.max(4, Math.floor(width / 90)));
  const { svg, px, py } = plane(caption, width, { low: from, high: to, ...times }, y);
  if (shown) svg.append(make("line", { class: "dash limit", x1: LEFT, x2: width - RIGHT, y1: py(log(objective)), y2: py(log(objective)) }));
  rows.forEach(([t, , g], i) => {
    svg.append(make("circle", { class: TONES[g ?? UNKNOWN], cx: px(t).toFixed(1), cy: py(log(lengths[i])).toFixed(1), r: g === 2 ? 3 : 2.2, opacity: 0.75 }));
  });
  const keys = [...generations("dot", (g) => rows.some((r) => (r[2] ?? UNKNOWN) === g)), ...(shown ? [key("dash", "limit", `P95 ${say("objective")}`, time(objective))] : [])];
  const out = figure(caption, cut ? say("latest")(number(rows.length)) : say("length"), keys, svg);
  const t = rows.map((r) => r[0]);
  hover(out, svg, width, (place) => {
    const i = nearest(t, from + (place - LEFT) / (width - LEFT - RIGHT) * (to - from));
    return { x: px(t[i]), lines: [[moment(t[i]), ""], [generation(rows[i][2] ?? UNKNOWN), time(rows[i][1])]] };
  });
  return out;
}

/** How many pauses of which length, by generation, stacked. */
function histogramChart(pauses, width) {
  const caption = say("histogramChart");
  if (!pauses) return nothing(caption, say("noPauses"));
  const sums = pauses.counts[0].map((_, i) => pauses.counts.reduce((sum, c) => sum + c[i], 0));
  const first = sums.findIndex((n) => n), last = sums.findLastIndex((n) => n);
  if (first < 0) return nothing(caption, say("noCollection"));
  const from = Math.max(0, first - 1), to = Math.min(sums.length - 1, last + 1), bars = to - from + 1;
  const most = Math.max(...sums), edge = (i) => (i < 1 ? "0" : i > pauses.bounds.length ? "∞" : tick(pauses.bounds[i - 1]));
  const every = Math.ceil(bars * 52 / (width - LEFT - RIGHT));
  const x = { low: from, high: to + 1, at: Array.from({ length: bars + 1 }, (_, i) => from + i).filter((i) => (i - from) % every === 0), label: edge };
  const { svg, px, py } = plane(caption, width, x, { low: 0, high: most * 1.05, at: ticks(0, most * 1.05, 4).filter((v) => v % 1 === 0), label: number });
  const wide = px(1) - px(0);
  for (let i = from; i <= to; i++) {
    let below = 0;
    pauses.counts.forEach((counts, g) => {
      if (!counts[i]) return;
      const top = py(below + counts[i]), high = Math.max(py(below) - top, 1);
      svg.append(make("rect", { class: TONES[g], x: px(i) + 1, y: top, width: Math.max(wide - 2, 1), height: high }));
      below += counts[i];
    });
  }
  const out = figure(caption, say("count"), generations("box", (g) => pauses.counts[g].some((n) => n)), svg);
  hover(out, svg, width, (place) => {
    const i = Math.floor(from + (place - LEFT) / wide);
    if (i < from || i > to) return null;
    const upper = i < pauses.bounds.length ? time(pauses.bounds[i]) : "∞";
    const lines = [0, 1, 2, UNKNOWN].filter((g) => pauses.counts[g][i]).map((g) => [generation(g), number(pauses.counts[g][i])]);
    return { x: px(i + 0.5), lines: [[`${edge(i)} – ${upper}`, number(sums[i])], ...lines] };
  });
  return out;
}
