// Every word of the page, in each language. Sentences are functions of the values in them.
const TEXTS = {
  en: {
    other: "中文", live: "live", saved: "recorded", gone: "the exporter does not answer", waiting: "waiting for the first sample",
    none: "No Python process is watched yet. Start one, or look with m5 list.",
    unknown: "not judged", stopped: "stopped", service: "service", verdict: "verdict", rss: "resident memory", floor: "floor", growth: "growth of the floor",
    pid: "PID", cpu: "CPU", uptime: "up for", command: "next command", filter: "filter: name, PID, verdict", noMatch: "No process matches the filter.",
    look: "To look closer:", ahead: "floor in 24 h", fds: "descriptors", p95: "pause P95", max: "longest pause", coverage: "collections seen",
    collections: "collections since start, gen 0 · 1 · 2", connections: "connections", kinds: "descriptors by kind", states: "TCP sockets by state",
    memoryChart: "Memory", pauseChart: "GC pauses over time", histogramChart: "GC pauses by length", fdChart: "Descriptors and connections",
    rateChart: "Collections", perMinute: "a minute", count: "pauses", length: "length, logarithmic", latest: (n) => `length, logarithmic; the latest ${n}`,
    afterFull: "after a full collection", floors: "floor of each stretch", trend: "trend of the floor", objective: "objective",
    limit: "cgroup limit", gen: "gen", genUnknown: "generation not known", open: "open descriptors", established: "established connections",
    unread: "interpreter not read", ended: "ended", listed: "Only listed: charts are drawn for the 50 that need it most. m5 serve --name GLOB shows others.",
    noPauses: "Pauses are not traced here.", noCollection: "No collection was seen yet.", fewer: "The first two samples make a chart.",
    pausesOf: (n) => `${n} seen`, measured: (v, at) => `Measured by m5 ${v}, ${at}.`,
    say: {
      flat: (p) => `The memory floor holds at about ${bytes(p.level)}.`,
      growing: () => "The memory floor rises.",
      limit: (p) => ` At this rate it reaches the limit of ${bytes(p.limit.limit)} in ${span(p.limit.expected_seconds)}.`,
      saturating: (p) => `Memory rose and is levelling off near ${bytes(p.level)}: a cache that fills, or a warm-up.`,
      step: (p) => `The memory floor moved${p.shift ? ` by ${bytes(p.shift.by)}` : ""} and has stayed at ${bytes(p.level)} since.`,
      held: (p) => ` It has been called growing for ${span(p.held_seconds)}${p.alarm ? ": an alarm." : "."}`,
      takenBack: (n) => ` It was called growing ${n === 1 ? "once" : `${n} times`} before, and that was taken back.`,
      between: (b) => ` Between restarts it grows by ${(360000 * b.per_second).toFixed(1)} % an hour, in each of ${b.lives} lives.`,
      falling: (p) => `The memory floor falls and stands at ${bytes(p.level)} now: no leak.`,
      unknown: () => "There is no verdict on its memory.",
    },
    next: {
      flat: () => "Nothing to do.",
      growing: (pid) => `Take \`m5 snapshot -p ${pid} --save\` now and again later, then \`m5 diff\` the two: it names the type that grows and who holds it.`,
      saturating: () => "Look again later: only a new rise would be a leak.",
      step: () => "Look for what happened then: a deployment, a new data set, a reconnect.",
      falling: () => "Nothing to do.",
      insufficient: () => "Leave m5 running.",
      longer: (pid) => `Record for longer: \`m5 baseline -p ${pid} -d 30m\`, or keep a history with \`m5 serve --history FILE\`.`,
      rss: (pid, is, line) => `Resident memory is ${is}, above the objective of ${line}: \`m5 snapshot -p ${pid}\` says where every byte is.`,
      pauses: (pid, is, line) => `Pauses are long (P95 ${is}, objective ${line}): \`m5 gc -p ${pid} --optimize\` tries other thresholds and takes back what does not help.`,
      fds: (pid, is, line) => `${is} descriptors are open, above the objective of ${line}: their kinds are below, \`m5 snapshot -p ${pid} --process\` lists them.`,
      closeWait: (n) => `${n} sockets in CLOSE_WAIT: the other side has closed, this one never did.`,
    },
  },
  zh: {
    other: "English", live: "实时", saved: "已记录", gone: "导出器无响应", waiting: "等待首个样本",
    none: "尚未监控任何 Python 进程。请启动一个，或用 m5 list 查看。",
    unknown: "未判定", stopped: "已暂停运行", service: "服务", verdict: "结论", rss: "常驻内存", floor: "内存底部", growth: "底部增长率",
    pid: "PID", cpu: "CPU", uptime: "运行时长", command: "下一条命令", filter: "筛选：名称、PID、结论", noMatch: "没有匹配的进程。",
    look: "进一步查看：", ahead: "24 小时后底部", fds: "文件描述符", p95: "暂停 P95", max: "最长暂停", coverage: "已观测回收",
    collections: "启动以来回收次数 0 · 1 · 2 代", connections: "连接", kinds: "文件描述符（按类型）", states: "TCP 套接字（按状态）",
    memoryChart: "内存", pauseChart: "GC 暂停时间线", histogramChart: "GC 暂停时长分布", fdChart: "文件描述符与连接",
    rateChart: "回收频率", perMinute: "次/分钟", count: "次数", length: "时长，对数坐标", latest: (n) => `时长，对数坐标；最近 ${n} 次`,
    afterFull: "完整回收之后", floors: "各时段底部", trend: "底部趋势", objective: "目标",
    limit: "cgroup 上限", gen: "第", genUnknown: "代数未知", open: "打开的文件描述符", established: "已建立的连接",
    unread: "解释器未读取", ended: "已退出", listed: "仅列出：只为最需要关注的 50 个进程绘图。其他进程请用 m5 serve --name GLOB 查看。",
    noPauses: "此处未跟踪暂停。", noCollection: "尚未观测到回收。", fewer: "有两个样本后即可绘图。",
    pausesOf: (n) => `已观测 ${n} 次`, measured: (v, at) => `由 m5 ${v} 测量，${at}。`,
    say: {
      flat: (p) => `内存底部稳定在约 ${bytes(p.level)}。`,
      growing: () => "内存底部正在上升。",
      limit: (p) => `按此速度将在 ${span(p.limit.expected_seconds)} 后达到上限 ${bytes(p.limit.limit)}。`,
      saturating: (p) => `内存曾上升，现趋于 ${bytes(p.level)}：缓存正在填满，或处于预热阶段。`,
      step: (p) => `内存底部发生台阶式变化${p.shift ? `（${bytes(p.shift.by)}）` : ""}，此后保持在 ${bytes(p.level)}。`,
      held: (p) => `判定为增长已持续 ${span(p.held_seconds)}${p.alarm ? "：告警。" : "。"}`,
      takenBack: (n) => `此前曾 ${n} 次判定为增长，后已撤回。`,
      between: (b) => `两次重启之间每小时增长 ${(360000 * b.per_second).toFixed(1)} %，${b.lives} 次运行均如此。`,
      falling: (p) => `内存底部正在下降，目前为 ${bytes(p.level)}：不是泄漏。`,
      unknown: () => "没有关于其内存的结论。",
    },
    next: {
      flat: () => "无需处理。",
      growing: (pid) => `请现在执行 \`m5 snapshot -p ${pid} --save\`，稍后再执行一次，然后用 \`m5 diff\` 比较：可得出增长的类型及其持有者。`,
      saturating: () => "稍后再看：只有再次上升才是泄漏。",
      step: () => "请查明当时发生了什么：部署、新数据集或重连。",
      falling: () => "无需处理。",
      insufficient: () => "请让 m5 继续运行。",
      longer: (pid) => `请延长采集：\`m5 baseline -p ${pid} -d 30m\`，或用 \`m5 serve --history FILE\` 保存历史。`,
      rss: (pid, is, line) => `常驻内存为 ${is}，超过目标 ${line}：\`m5 snapshot -p ${pid}\` 可说明每个字节的去向。`,
      pauses: (pid, is, line) => `暂停偏长（P95 ${is}，目标 ${line}）：\`m5 gc -p ${pid} --optimize\` 会试用其他阈值，无效则恢复。`,
      fds: (pid, is, line) => `打开了 ${is} 个文件描述符，超过目标 ${line}：类型见下方，\`m5 snapshot -p ${pid} --process\` 可逐一列出。`,
      closeWait: (n) => `${n} 个套接字处于 CLOSE_WAIT：对端已关闭，本端从未关闭。`,
    },
  },
};
const root = document.documentElement;
const wished = new URLSearchParams(location.search).get("lang");
let lang = ["en", "zh"].includes(wished) ? wished : root.dataset.lang || (navigator.language.startsWith("zh") ? "zh" : "en");
const say = (key) => TEXTS[lang][key] ?? WORDS[lang][key];

// Numbers as the terminal says them: units.json holds both to the same.
const UNITS = [[1, "B"], [1024, "KiB"], [1048576, "MiB"], [1073741824, "GiB"]];
const unitOf = (v) => UNITS.findLast(([size]) => Math.abs(v) >= size) || UNITS[0];
function bytes(v) {
  if (v == null) return "–";
  const [size, name] = unitOf(v);
  return `${(v / size).toFixed(size === 1 ? 0 : size > 1e9 ? 2 : 1)} ${name}`;
}
/** Growth, from bytes a second to MiB a minute, as the objectives count. */
function rate(v) {
  if (v == null) return "–";
  const rate = v * 60 / 1048576;
  return Math.abs(rate) < 5e-4 ? "+0.000 MiB/min" : `${v < 0 ? "" : "+"}${rate.toFixed(3)} MiB/min`;
}
function time(s) {
  if (s == null) return "–";
  if (s === 0) return "0";
  if (s < 1e-6) return `${(s * 1e9).toFixed(0)} ns`;
  if (s < 1e-3) return `${(s * 1e6).toFixed(1)} µs`;
  if (s < 1) return `${(s * 1e3).toFixed(2)} ms`;
  return s < 120 ? `${s.toFixed(2)} s` : span(s);
}
/** The same on an axis, without zeros that say nothing. */
const tick = (s) => time(s).replace(/\.0+ /, " ").replace(/(\.\d)0 /, "$1 ");
function span(s) {
  if (s == null) return "–";
  const whole = Math.round(Math.max(0, s)), of = (size, most) => Math.floor(whole / size) % most;
  if (whole < 2) return `${s.toFixed(1)} s`;
  if (whole < 120) return `${whole} s`;
  if (whole < 3600) return `${of(60, 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  return whole < 86400 ? `${of(3600, 24)} h ${of(60, 60)} min` : `${of(86400, Infinity)} d ${of(3600, 24)} h`;
}
const percent = (v) => (v == null ? "–" : `${(v * 100).toFixed(Math.abs(v) < 0.001 ? 3 : 1)} %`);
const grouped = (v, digits) => (v == null ? "–" : v.toLocaleString(lang === "zh" ? "zh-CN" : "en", digits));
const number = (v) => grouped(v, {});
/** With so many decimals, as all of an axis have. */
const fixed = (v, places) => grouped(v, { minimumFractionDigits: places, maximumFractionDigits: places });
const locale = () => (lang === "zh" ? "zh-CN" : "en-GB");
const clock = (unix, seconds) => new Date(unix * 1000).toLocaleTimeString(locale(), seconds ? {} : { hour: "2-digit", minute: "2-digit" });
const day = (unix) => new Date(unix * 1000).toLocaleDateString(locale(), { month: "short", day: "numeric" });
const moment = (unix) => new Date(unix * 1000).toLocaleString(locale());
