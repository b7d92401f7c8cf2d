"use strict";
const TEXTS = {
  en: {
    other: "中文", live: "live", saved: "recorded", gone: "the exporter does not answer", none: "no Python process is watched",
    flat: "flat", growing: "growing", saturating: "levelling off", step: "moved to another level", insufficient: "too early to say",
    wait: (s) => `a verdict in about ${span(s)}`, rss: "resident memory", floor: "floor", growth: "growth of the floor",
    ahead: "floor in 24 h", fds: "descriptors", pauses: "GC pauses", p95: "pause P95", max: "longest pause", share: "collections seen",
    collections: "collections (0 · 1 · 2)", timeline: "pauses: when, and how long", histogram: "pauses: how many of which length",
    gen: "generation", connections: "connections", objective: "objective", unread: "interpreter not read", perMinute: "min",
  },
  zh: {
    other: "English", live: "实时", saved: "已保存", gone: "导出器无响应", none: "没有被监控的 Python 进程",
    flat: "平稳", growing: "持续增长", saturating: "趋于饱和", step: "台阶式变化", insufficient: "数据不足",
    wait: (s) => `约 ${span(s)} 后可判定`, rss: "常驻内存", floor: "内存底部", growth: "底部增长率",
    ahead: "24小时后底部", fds: "文件描述符", pauses: "GC 暂停", p95: "暂停 P95", max: "最长暂停", share: "已观测回收",
    collections: "回收次数 (0 · 1 · 2)", timeline: "暂停时间线", histogram: "暂停时长分布",
    gen: "第代", connections: "连接", objective: "目标", unread: "解释器未读取", perMinute: "分钟",
  },
};
const root = document.documentElement;
let lang = root.dataset.lang || (navigator.language.startsWith("zh") ? "zh" : "en");
let last = null;
let state = "live";
const say = (key) => TEXTS[lang][key];

function bytes(v) {
  if (v == null) return "–";
  const sign = v < 0 ? "-" : "", a = Math.abs(v);
  if (a < 1024) return `${sign}${a.toFixed(0)} B`;
  if (a < 1048576) return `${sign}${(a / 1024).toFixed(1)} KiB`;
  if (a < 1073741824) return `${sign}${(a / 1048576).toFixed(1)} MiB`;
  return `${sign}${(a / 1073741824).toFixed(2)} GiB`;
}
function time(s) {
  if (s == null) return "–";
  if (s < 1e-3) return `${(s * 1e6).toFixed(0)} µs`;
  return s < 1 ? `${(s * 1e3).toFixed(1)} ms` : `${s.toFixed(2)} s`;
}
function span(s) {
  if (s < 90) return `${Math.round(s)} s`;
  return s < 5400 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`;
}
function make(name, attributes, ...children) {
  const svg = ["svg", "path", "line", "text", "circle", "rect"].includes(name);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const W = 400, H = 160, LEFT = 58, BOTTOM = 18, TOP = 8;
function frame(caption, low, high, label, from, to) {
  const svg = make("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img", "aria-label": caption });
  for (let i = 0; i <= 2; i++) {
    const y = TOP + (H - TOP - BOTTOM) * i / 2;
    svg.append(make("line", { class: "grid", x1: LEFT, x2: W, y1: y, y2: y }));
    svg.append(make("text", { x: LEFT - 5, y: y + 3, "text-anchor": "end" }, label(high - (high - low) * i / 2)));
  }
  svg.append(make("text", { x: LEFT, y: H - 4 }, from), make("text", { x: W, y: H - 4, "text-anchor": "end" }, to));
  return svg;
}
const figure = (svg, caption, ...rest) => make("figure", {}, make("figcaption", {}, caption), svg, ...rest);
const clock = (unix) => new Date(unix * 1000).toLocaleTimeString(lang === "zh" ? "zh-CN" : "en-GB");

function line(caption, t, series, label, limit) {
  const values = series.flatMap((s) => s.v).filter((v) => v != null);
  if (values.length < 2) return figure(make("p", { class: "note" }, "…"), caption);
  let low = Math.min(...values), high = Math.max(...values);
  if (limit != null && limit < high * 1.5 && limit > low * 0.5) high = Math.max(high, limit);
  const room = (high - low) * 0.08 || Math.abs(high) * 0.05 || 1;
  low = Math.max(0, low - room); high += room;
  const x = (v) => LEFT + (W - LEFT) * (v - t[0]) / (t[t.length - 1] - t[0] || 1);
  const y = (v) => TOP + (H - TOP - BOTTOM) * (high - v) / (high - low);
  const svg = frame(caption, low, high, label, clock(t[0]), clock(t[t.length - 1]));
  if (limit != null && limit <= high && limit >= low) {
    svg.append(make("line", { class: "limit", x1: LEFT, x2: W, y1: y(limit), y2: y(limit) }));
  }
  series.forEach((s, i) => {
    const path = s.v.map((v, k) => (v == null ? "" : `${k && s.v[k - 1] != null ? "L" : "M"}${x(t[k]).toFixed(1)} ${y(v).toFixed(1)}`));
    svg.append(make("path", { class: `s${i + 1}`, d: path.join("") }));
  });
  return figure(svg, caption);
}

const legend = () => make("p", { class: "legend" }, ...[0, 1, 2].map((g) => make("span", { class: `key k${g}` }, `${say("gen")} ${g}  `)));
function timeline(pauses) {
  const far = Math.max(...pauses.map((p) => p[0])), most = Math.max(...pauses.map((p) => p[1]));
  const least = Math.min(...pauses.map((p) => p[1]), most / 10);
  const log = (v) => Math.log10(Math.max(v, 1e-7));
  const svg = frame(say("timeline"), log(least), log(most), (v) => time(10 ** v), `-${span(far)}`, "0");
  for (const [ago, length, generation] of pauses) {
    const x = LEFT + (W - LEFT) * (1 - ago / (far || 1));
    const y = TOP + (H - TOP - BOTTOM) * (log(most) - log(length)) / (log(most) - log(least) || 1);
    svg.append(make("circle", { class: `g${generation ?? 0}`, cx: x.toFixed(1), cy: y.toFixed(1), r: 2 }));
  }
  return figure(svg, say("timeline"), legend());
}
function histogram(pauses) {
  const at = (s) => Math.floor(Math.log10(Math.max(s, 1e-6)) * 3);
  const first = Math.min(...pauses.map((p) => at(p[1]))), end = Math.max(...pauses.map((p) => at(p[1]))) + 1;
  const counts = Array.from({ length: end - first }, () => [0, 0, 0]);
  for (const [, length, generation] of pauses) counts[at(length) - first][generation ?? 0] += 1;
  const most = Math.max(...counts.map((c) => c[0] + c[1] + c[2]));
  const svg = frame(say("histogram"), 0, most, (v) => v.toFixed(0), time(10 ** (first / 3)), time(10 ** (end / 3)));
  const wide = (W - LEFT) / counts.length;
  counts.forEach((bin, i) => {
    let base = H - BOTTOM;
    bin.forEach((n, g) => {
      const high = (H - TOP - BOTTOM) * n / most;
      base -= high;
      if (n) svg.append(make("rect", { class: `g${g}`, x: LEFT + i * wide + 1, y: base, width: Math.max(wide - 2, 1), height: high }));
    });
  });
  return figure(svg, say("histogram"));
}

function card(p, objectives) {
  const figures = make("div", { class: "figures" });
  const put = (name, value) => figures.append(make("div", {}, make("b", {}, value), make("span", {}, name)));
  const lengths = p.pauses.map((row) => row[1]).sort((a, b) => a - b);
  const growth = p.growth_bytes_per_second;
  const total = (map) => Object.values(map || {}).reduce((a, b) => a + b, 0);
  put(say("rss"), bytes(p.samples.rss_bytes.at(-1)));
  put(say("floor"), bytes(p.floor_bytes));
  put(say("growth"), growth == null ? "–" : `${bytes(growth * 60)}/${say("perMinute")}`);
  put(say("ahead"), p.forecast_24h ? `${bytes(p.forecast_24h.low)} … ${bytes(p.forecast_24h.high)}` : "–");
  put(say("p95"), lengths.length ? time(lengths[Math.floor(0.95 * (lengths.length - 1))]) : "–");
  put(say("max"), lengths.length ? time(lengths.at(-1)) : "–");
  put(say("collections"), p.collections ? p.collections.join(" · ") : "–");
  put(say("share"), p.coverage == null ? "–" : `${(p.coverage * 100).toFixed(1)} %`);
  put(say("fds"), p.fds ? String(total(p.fds)) : "–");
  put(say("connections"), p.connections ? String(p.connections.reduce((a, c) => a + c.count, 0)) : "–");
  const head = make("header", {}, make("h2", {}, `${p.service} ${p.slot ?? ""}`),
    make("span", { class: `verdict ${p.verdict}` }, say(p.verdict)),
    make("span", { class: "meta" }, `PID ${p.pid} · Python ${p.python ?? "?"}${p.source ? ` · ${p.source}` : ""}`));
  if (p.verdict === "insufficient" && p.wait_seconds) head.append(make("span", { class: "meta" }, say("wait")(p.wait_seconds)));
  if (p.unread) head.append(make("span", { class: "meta" }, `${say("unread")}: ${p.unread}`));
  const charts = make("div", { class: "charts" });
  const flat = p.samples.t.map(() => p.floor_bytes);
  charts.append(line(say("rss"), p.samples.t, [{ v: p.samples.rss_bytes }, { v: flat }], bytes, objectives.rss_peak_bytes));
  charts.append(line(say("fds"), p.samples.t, [{ v: p.samples.fds }], (v) => v.toFixed(0), objectives.open_fds));
  if (p.pauses.length) charts.append(timeline(p.pauses), histogram(p.pauses));
  return make("section", { class: "process" }, head, figures, charts);
}

function draw() {
  root.lang = lang;
  document.getElementById("lang").textContent = say("other");
  document.getElementById("state").textContent = say(state);
  if (!last) return;
  const list = last.processes.map((p) => card(p, last.objectives));
  document.getElementById("processes").replaceChildren(...(list.length ? list : [make("p", { class: "note" }, say("none"))]));
}
async function refresh() {
  try {
    const answer = await fetch("data/processes.json");
    last = await answer.json();
    state = "live";
  } catch {
    state = "gone";
  }
  draw();
}
document.getElementById("lang").addEventListener("click", () => { lang = lang === "en" ? "zh" : "en"; draw(); });
const embedded = document.getElementById("data").textContent.trim();
if (embedded) {
  last = JSON.parse(embedded);
  state = "saved";
  draw();
} else {
  refresh();
  setInterval(refresh, 5000);
}
