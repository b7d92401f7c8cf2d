// The page: what is said of each process, what to do next, and its charts.
let last = null, state = "waiting", made = null, sorted = null;
const opened = new Map();

/** Text in which `words` between back quotes are commands. */
const prose = (text) => text.split("`").map((part, i) => (i % 2 ? make("code", {}, part) : part));
const total = (map) => Object.values(map).reduce((a, b) => a + b, 0);
const now = (p) => p.rss_bytes ?? p.samples?.rss_bytes.findLast((v) => v != null) ?? null;
const uptime = (p) => (p.exited || !p.started_unix_seconds ? null : last.made_unix_seconds - p.started_unix_seconds);
const openFds = (p) => (p.fds ? total(p.fds) : null);
const name = (p) => (p.slot ? `${p.service} · ${p.slot}` : p.service);
const cpu = (v) => (v == null ? "–" : `${(v * 100).toFixed(1)} %`);
/** Whether a value is above a line; where there is none, nothing is. */
const over = (value, line) => value != null && line != null && value > line;
/** What a process is held against: its own level, else a part of its limit. */
const levels = (p, lines) => ({
  rss: lines.rss_peak_bytes ?? (p.limit_bytes && lines.rss_limit_ratio ? p.limit_bytes * lines.rss_limit_ratio : null),
  fds: lines.open_fds ?? (p.fd_limit && lines.fd_limit_ratio ? Math.floor(p.fd_limit * lines.fd_limit_ratio) : null),
  pauses: lines.gc_pause_p95_seconds,
});
const verdict = (p) => (p.stopped ? "stopped" : p.memory?.verdict || "unknown");
const badge = (p) => make("span", { class: `verdict ${verdict(p)}` }, say(verdict(p)));

/** The verdict as a sentence, then what it rests on, as the terminal says it. */
function sentence(p) {
  const m = p.memory, words = say("say"), lives = p.between_restarts ? words.between(p.between_restarts) : "";
  if (!m) return words.unknown();
  const evidence = p.evidence?.[lang] ?? "";
  if (m.verdict === "insufficient") return evidence + lives;
  let text = words[m.verdict](m);
  if (m.held_seconds) text += words.held(m);
  if (m.verdict === "growing" && m.limit?.expected_seconds) text += words.limit(m);
  if (m.taken_back) text += words.takenBack(m.taken_back);
  return `${text} ${evidence}${lives}`;
}
/** The command that tells most of a process as it is. */
const command = (p) => {
  const m = p.memory?.verdict;
  if (p.exited) return "";
  if (m === "growing") return `m5 diff -p ${p.pid} --interval 1m`;
  return p.stopped ? `m5 dump -p ${p.pid}` : `m5 why -p ${p.pid}`;
};
/** What to do next, the most urgent first. */
function steps(p, lines) {
  const next = say("next"), out = [];
  if (p.advice.length) out.push(...p.advice.map((a) => a[lang]));
  else if (p.memory && p.memory.verdict !== "flat") out.push(next[state === "saved" && p.memory.verdict === "insufficient" ? "longer" : p.memory.verdict](p.pid));
  const rss = now(p), fds = openFds(p), level = levels(p, lines);
  if (over(rss, level.rss)) out.push(next.rss(p.pid, bytes(rss), bytes(level.rss)));
  if (over(p.pauses?.p95_seconds, level.pauses)) out.push(next.pauses(p.pid, time(p.pauses.p95_seconds), time(level.pauses)));
  if (over(fds, level.fds)) out.push(next.fds(p.pid, number(fds), number(level.fds)));
  if (p.connections?.CLOSE_WAIT) out.push(next.closeWait(number(p.connections.CLOSE_WAIT)));
  return out.length || !p.memory ? out : [next.flat()];
}

function figures(p, lines) {
  const box = make("div", { class: "figures" }), m = p.memory;
  const put = (key, value, bad, long) => box.append(make("div", { class: `${bad ? "bad" : ""} ${long ? "long" : ""}` }, make("b", {}, value), make("span", {}, say(key))));
  const rss = now(p), fds = openFds(p), level = levels(p, lines);
  put("rss", bytes(rss), over(rss, level.rss));
  put("cpu", cpu(p.cpu));
  put("uptime", span(uptime(p)));
  put("floor", bytes(m?.level));
  put("growth", rate(m?.slope), verdict(p) === "growing");
  put("ahead", m?.forecast_24h ? `${bytes(m.forecast_24h.low)} … ${bytes(m.forecast_24h.high)}` : "–", false, true);
  put("p95", time(p.pauses?.p95_seconds), over(p.pauses?.p95_seconds, level.pauses));
  put("max", time(p.pauses?.max_seconds));
  put("collections", p.collections ? p.collections.map(number).join(" · ") : "–", false, true);
  put("coverage", percent(p.coverage));
  put("fds", number(fds), over(fds, level.fds));
  put("connections", p.connections ? number(p.connections.ESTABLISHED ?? 0) : "–");
  return box;
}

/** Growth of a counter by the minute, over stretches that are long enough to say something. */
function perMinute(t, counts) {
  const every = Math.max(1, Math.floor(t.length / 120)), out = t.map(() => null);
  for (let i = every; i < t.length; i += every) {
    const a = counts[i - every], b = counts[i];
    if (a != null && b != null && b >= a) out[i] = (b - a) / (t[i] - t[i - every]) * 60;
  }
  return every === 1 ? out : bridged(out);
}
/** A line from value to value, across the places between stretches. */
function bridged(values) {
  let before = -1;
  values.forEach((v, i) => {
    if (v == null) return;
    for (let k = before + 1; before >= 0 && k < i; k++) values[k] = values[before] + (v - values[before]) * (k - before) / (i - before);
    before = i;
  });
  return values;
}

function charts(p, lines, width) {
  const s = p.samples, t = s.t, m = p.memory, box = make("div", { class: "charts" });
  const end = t.at(-1), begin = m?.observed_seconds ? Math.max(t[0], end - m.observed_seconds) : t[0];
  const trend = m?.slope != null && m.level != null && t.length > 1
    ? [{ name: say("trend"), tone: "ink", kind: "dash", t: [begin, end], v: [m.level - m.slope * (end - begin), m.level] }] : [];
  const floors = { name: say("floors"), tone: "two", kind: "step", t: p.floors.map((f) => f[0]), v: p.floors.map((f) => f[1]) };
  const full = { name: say("afterFull"), tone: "three", kind: "dots", v: s.post_gc_bytes };
  const two = width > 760, half = two ? Math.floor((width - 26) / 2) : width;
  if (two) box.classList.add("two");
  box.append(timeChart({
    caption: say("memoryChart"), unit: byteUnit, label: bytes, t, broad: true, width,
    series: [{ name: say("rss"), tone: "one", kind: "main", v: s.rss_bytes }, floors, full, ...trend],
    lines: [{ name: say("objective"), tone: "limit", v: lines.rss_peak_bytes }, { name: say("limit"), tone: "limit", v: p.limit_bytes }],
  }));
  box.append(pauseChart(p.pauses, t[0], end, lines.gc_pause_p95_seconds, half), histogramChart(p.pauses, half));
  box.append(timeChart({
    caption: say("fdChart"), unit: countUnit("", true), label: number, t, width: half, zero: true,
    series: [{ name: say("open"), tone: "one", kind: "main", v: s.fds }, { name: say("established"), tone: "three", kind: "main", v: s.connections }],
    lines: [{ name: say("objective"), tone: "limit", v: lines.open_fds }],
  }));
  box.append(timeChart({
    caption: say("rateChart"), unit: countUnit(say("perMinute")), label: (v) => number(Math.round(v * 10) / 10), t, width: half, zero: true, lines: [],
    series: s.collections.map((c, g) => ({ name: generation(g), tone: TONES[g], kind: "main", v: perMinute(t, c) })),
  }));
  return box;
}

function pairs(title, map) {
  const rows = Object.entries(map || {}).sort((a, b) => b[1] - a[1]);
  if (!rows.length) return [];
  const table = make("table", {}, ...rows.map(([k, n]) => make("tr", {}, make("td", {}, k), make("td", { class: "right" }, number(n)))));
  return [make("div", {}, make("p", { class: "note" }, title), table)];
}

function card(p, index) {
  const lines = p.objectives;
  const id = `p${p.pid}-${Math.round(p.started_unix_seconds)}`;
  const meta = [`PID ${p.pid}`, p.python && `Python ${p.python}`, p.exited && say("ended"), p.unread && `${say("unread")}: ${p.unread}`];
  const head = make("summary", {}, make("h2", {}, name(p)), badge(p), make("span", { class: "meta" }, meta.filter(Boolean).join(" · ")));
  const box = make("details", { class: "card process", id }, head);
  const fill = () => {
    const urgent = steps(p, lines), calm = verdict(p) !== "growing" && urgent.length === 1;
    const list = make("ul", { class: calm ? "next calm" : "next" }, ...urgent.map((text) => make("li", {}, ...prose(text))));
    const kinds = make("div", { class: "pairs" }, ...pairs(say("kinds"), p.fds), ...pairs(say("states"), p.connections));
    const closer = p.exited ? [] : [make("p", { class: "note" }, `${say("look")} `,
      ...["why", "dump", "snapshot", "gc"].flatMap((word) => [make("code", {}, `m5 ${word} -p ${p.pid}`), " "]))];
    box.replaceChildren(head, make("p", { class: "sentence" }, sentence(p)), list, ...closer, figures(p, lines));
    if (!p.samples) return box.append(make("p", { class: "note" }, say("listed")));
    const style = getComputedStyle(box), inner = box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    if (p.samples.t.length) box.append(charts(p, lines, Math.max(260, Math.floor(inner))));
    box.append(kinds, make("p", { class: "note" }, ...prose(p.objectives_from[lang])));
  };
  box.addEventListener("toggle", () => {
    opened.set(id, box.open);
    if (box.open && !box.querySelector(".figures")) fill();
  });
  box.open = opened.get(id) ?? index < 6;
  return { box, fill };
}

/** Columns of the table: key, what is shown, what sorts. */
const COLUMNS = [
  ["service", (p) => make("a", { href: `#p${p.pid}-${Math.round(p.started_unix_seconds)}` }, name(p)), name],
  ["pid", (p) => String(p.pid), (p) => p.pid],
  ["verdict", badge, (p) => say(verdict(p))],
  ["cpu", (p) => cpu(p.cpu), (p) => p.cpu],
  ["rss", (p) => bytes(now(p)), now],
  ["floor", (p) => bytes(p.memory?.level), (p) => p.memory?.level],
  ["growth", (p) => rate(p.memory?.slope), (p) => p.memory?.slope],
  ["p95", (p) => time(p.pauses?.p95_seconds), (p) => p.pauses?.p95_seconds],
  ["fds", (p) => number(openFds(p)), openFds],
  ["uptime", (p) => span(uptime(p)), uptime],
  ["command", (p) => (command(p) ? make("code", {}, command(p)) : "–"), command],
];
const WORDED = ["service", "verdict", "command"];

/** All processes in a table, where there are several; cards on a phone. */
function overview(list) {
  const side = (key) => (WORDED.includes(key) ? "" : "right");
  const head = COLUMNS.map(([key]) => {
    const mark = sorted?.key === key ? (sorted.down ? " ▼" : " ▲") : "";
    const button = make("button", { type: "button", class: "sort" }, say(key) + mark);
    button.addEventListener("click", () => {
      const down = sorted?.key === key ? !sorted.down : !WORDED.includes(key);
      sorted = { key, down };
      draw();
    });
    return make("th", { class: side(key) }, button);
  });
  const cell = (p, [key, shown]) => make("td", { class: `${side(key)} of-${key}`, "data-label": say(key) }, shown(p));
  const rows = list.map((p) => make("tr", {}, ...COLUMNS.map((column) => cell(p, column))));
  return make("div", { class: "card wide" }, make("table", { id: "overview" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}
/** What the filter lets through, in the order that was asked for. */
function chosen(list) {
  const word = document.getElementById("filter").value.trim().toLowerCase();
  const texts = (p) => [name(p), String(p.pid), say(verdict(p))];
  const some = list.filter((p) => !word || texts(p).some((text) => text.toLowerCase().includes(word)));
  if (!sorted) return some;
  const value = COLUMNS.find(([key]) => key === sorted.key)[2], way = sorted.down ? -1 : 1;
  const order = (a, b) => (a == null || b == null ? (a == null) - (b == null) : way * (typeof a === "string" ? a.localeCompare(b, locale()) : a - b));
  return some.sort((a, b) => order(value(a), value(b)));
}

function draw() {
  root.lang = lang === "zh" ? "zh-CN" : "en";
  document.getElementById("lang").textContent = say("other");
  const line = document.getElementById("state");
  line.textContent = last && state !== "gone" ? `${say(state)} · ${moment(last.made_unix_seconds)}` : say(state);
  line.className = state;
  if (!last) return;
  document.title = last.processes.length === 1 ? `m5 · ${name(last.processes[0])}` : "m5";
  const several = last.processes.length > 1, shown = chosen(last.processes);
  const filter = document.getElementById("filter");
  filter.hidden = !several;
  filter.placeholder = filter.ariaLabel = say("filter");
  const cards = shown.map((p, i) => card(p, i));
  const none = make("p", { class: "note" }, say(several ? "noMatch" : "none"));
  const table = several ? [overview(shown)] : [];
  document.getElementById("processes").replaceChildren(...table, ...(cards.length ? cards.map((c) => c.box) : [none]));
  cards.filter((c) => c.box.open).forEach((c) => c.fill());
  document.getElementById("made").textContent = say("measured")(last.m5_version, moment(last.made_unix_seconds));
  root.dataset.drawn = last.made_unix_seconds;
}

async function refresh() {
  try {
    const answer = await fetch("data/processes.json");
    if (!answer.ok) throw new Error(answer.status);
    last = await answer.json();
    state = last ? "live" : "waiting";
  } catch {
    state = "gone";
  }
  // Values that somebody is just reading are not pulled away.
  if (hovering || (state === "live" && made === last.made_unix_seconds)) return;
  made = state === "live" ? last.made_unix_seconds : null;
  draw();
}

document.getElementById("lang").addEventListener("click", () => {
  lang = lang === "en" ? "zh" : "en";
  const address = new URL(location);
  address.searchParams.set("lang", lang);
  try { history.replaceState(null, "", address); } catch { /* a saved file in some browsers */ }
  draw();
});
document.getElementById("filter").addEventListener("input", draw);
let width = window.innerWidth;
window.addEventListener("resize", () => {
  if (window.innerWidth !== width) { width = window.innerWidth; draw(); }
});
const embedded = document.getElementById("data").textContent.trim();
if (embedded) {
  last = JSON.parse(embedded);
  state = "saved";
  draw();
} else {
  draw();
  refresh();
  setInterval(refresh, 3000);
}
