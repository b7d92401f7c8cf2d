//! `m5 gc`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// The report of collections, and what is said while tuning.
    Gc {
        Title: "🗑️ GC report of PID {} · CPython {}", "🗑️ GC性能分析报告 · PID {} · CPython {}";
        Observed: "⏱️ observed: {}", "⏱️ 监控时长: {}";
        Events: "📊 collections: {}", "📊 GC事件: {}次";
        Total: "⏸️ total pause: {} ({} of the time)", "⏸️ 总暂停时间: {}（占总时间 {}）";
        TotalUnknown: "⏸️ total pause: not measured", "⏸️ 总暂停时间: 未测量";
        Mean: "📈 mean pause: {}", "📈 平均暂停: {}";
        Rate: "🔄 rate: {}", "🔄 GC频率: {}";
        Settings: "⚙️ thresholds {}, {}", "⚙️ 阈值 {}，{}";
        Sub: "⚙️ interpreter {}: thresholds {}", "⚙️ 子解释器 {}: 阈值 {}";
        Generational: "three generations", "分代回收";
        Incremental: "incremental (3.14.0 – 3.14.4)", "增量回收（3.14.0 – 3.14.4）";
        Quarter: "⚙️ none begins before {} new object{|s}: a quarter of those that live long, unless threshold1 is 0", "⚙️ 新对象达到 {} 个之前不会回收：长期存活对象的四分之一（threshold1 为 0 时除外）";
        FreeThreaded: "free-threaded: each collection is a full one", "自由线程版：每次回收都是完整回收";
        Memory: "🧠 RSS {} → {}, max {}", "🧠 RSS {} → {}，最大 {}";
        LongLived: "🧱 long-lived objects: {}", "🧱 长期存活对象: {}";
        Uncollectable: "⚠️ uncollectable objects: {}", "⚠️ 无法回收的对象: {}";
        ByGeneration: "🏷️ By generation:", "🏷️ 分代统计:";
        Generation: "   Gen{}: {}, mean {}, P50={}, P95={}, P99={}, max={}, {}, {} of the time, {} object{|s} freed",
            "   Gen{}: {}次, 平均{}, P50={}, P95={}, P99={}, 最大={}, {}, 占总时间{}, 回收对象{}个";
        GenerationUnseen: "   Gen{}: none of {} was told apart: neither total nor longest is known", "   Gen{}: {} 次均未能区分：总暂停与最长值未知";
        GenerationSeen: "   Gen{}: {} of {} seen ({}), total {}; its longest is the longest seen", "   Gen{}: 观测到 {} / {}（{}），总暂停 {}；最长值仅限已观测部分";
        AtLeast: "at least {}", "至少 {}";
        PlusMinus: "{} ± {}", "{} ± {}";
        UnseenFound: "too little was seen to say what collections cost: {} of {} (a longer `--duration`, a higher `--max-overhead`)", "观测不足，无法判断回收开销：{} / {}（请延长 `--duration` 或提高 `--max-overhead`）";
        GenerationNone: "   Gen{}: none", "   Gen{}: 0次";
        GenerationCount: "   Gen{}: {} ({}), {} object{|s} freed; its pauses were not seen", "   Gen{}: {}次（{}），回收对象{}个；未观测到暂停";
        Coverage: "   pauses: {} of {} collection{|s} observed ({}), by {}", "   暂停: 观测到 {} / {} 次回收（{}），来源：{}";
        Interpreter: "   interpreter {}: {} collection{|s} ({} full), {} observed: {} paused, longest {}", "   解释器 {}: {} 次回收（全量 {} 次），观测到 {} 次：共暂停 {}，最长 {}";
        InterpretersEnded: "   interpreters that have ended: {} collection{|s} ({} full), {} observed: {} paused, longest {}", "   已结束的解释器: {} 次回收（全量 {} 次），观测到 {} 次：共暂停 {}，最长 {}";
        InterpretersMore: "   … {} interpreter{|s} more in the JSON", "   ……另有 {} 个解释器见 JSON";
        Unfinished: "at the end a collection ran that had not ended after {}: it is in none of these figures; watch for longer (-d)", "结束时有一次回收正在进行，已 {} 仍未完成：它不在以上任何数字之中；请延长观测时间（-d）";
        Unwatched: "   {} collection{|s} {was|were} of interpreters that were not watched yet, or that no debug register was left for: nothing stands for them", "   其中 {} 次回收属于尚未监视、或没有空闲调试寄存器可用的解释器，各项估算均不包含它们";
        Lost: "   {} record{|s} lost", "   丢失 {} 条记录";
        Bounded: "   lengths are bounds: polling misses short pauses", "   时长为界限值：轮询会漏掉短暂停";
        Histogram: "📶 Pauses by length:", "📶 暂停时长分布:";
        Objectives: "🎯 Objectives:", "🎯 目标:";
        Advice: "💡 Findings:", "💡 优化建议:";
        NothingToGain: "nothing to gain: collections take {} of the time, the longest {}", "无需优化：回收占总时间 {}，最长 {}";
        NothingHappened: "nothing to gain: no collection happened", "无需优化：没有发生回收";
        FullCollections: "gen 2 costs {} of the pause time ({} each) and freed {} of the {} object{|s} it walked: rarer full collections, or gc.freeze() after warm-up (`--freeze`)",
            "Gen2 占暂停时间的 {}（平均每次 {}），只回收了 {}（每次扫描 {} 个对象）：降低全量回收频率，或预热后执行 gc.freeze()（`--freeze`）";
        OwnCollections: "collections that begin by themselves cost {} of the pause time and run {}, each a full one: a higher threshold0", "自动触发的回收占暂停时间的 {}，频率 {}，每次都是完整回收：提高 threshold0";
        YoungCollections: "gen 0 and 1 cost {} of the pause time, gen 0 runs {}: a higher threshold0", "Gen0 和 Gen1 占暂停时间的 {}，Gen0 频率 {}：提高 threshold0";
        CyclicGarbage: "the collector frees {} object{|s} a second that reference counting could not: look for the cycles", "回收器每秒释放 {} 个引用计数无法释放的对象：请查找循环引用";
        UncollectableFound: "{} object{|s} could not be freed: see gc.garbage", "{} 个对象无法释放：请查看 gc.garbage";
        Disabled: "automatic collection is off: cyclic garbage stays until gc.collect()", "自动回收已关闭：循环垃圾会一直保留到 gc.collect()";
        TryOptimize: "try it on this process: m5 gc --optimize -p {}", "在该进程上实测：m5 gc --optimize -p {}";
        TrialTitle: "🧪 Trial {}: thresholds {} → {}", "🧪 试验 {}: 阈值 {} → {}";
        Before: "before", "优化前";
        After: "after", "优化后";
        Change: "change", "变化";
        RowTotal: "pause a minute", "每分钟暂停";
        RowP95: "P95", "P95";
        RowMax: "longest", "最长";
        RowCount: "collections", "回收次数";
        RowRss: "highest RSS", "RSS 最高";
        RowLoad: "CPU without GC", "CPU（不含GC）";
        Expected: "measured {} (95 %: {} … {}); expected {} to {} if young pauses grow no faster than the threshold",
            "实测 {}（95 %: {} … {}）；若年轻代暂停的增长不快于阈值，预期 {} 至 {}";
        FullUnseen: "no full collection happened in the second window: its pause is not in these figures", "第二个窗口内没有发生全量回收：其暂停未计入以上数据";
        Kept: "✅ it helped", "✅ 有效";
        RejectTooFew: "➖ taken back: too few collections to compare", "➖ 已撤销：回收次数太少，无法比较";
        RejectLoad: "➖ taken back: the load changed ({} of the CPU before), nothing can be said", "➖ 已撤销：负载变化（CPU 为之前的 {}），无法判断";
        RejectUnproven: "➖ taken back: too few collections after it to know its pauses (a longer -d shows more)", "➖ 已撤销：之后的回收次数太少，无法得知其暂停（请延长 -d）";
        RejectNoGain: "➖ taken back: no certain gain", "➖ 已撤销：没有确定的收益";
        RejectLonger: "❌ taken back: pauses became too long", "❌ 已撤销：暂停变得过长";
        RejectMemory: "❌ taken back: too much memory", "❌ 已撤销：内存超限";
        Stays: "The settings stay: thresholds {}. `m5 gc --undo -p {}` puts the old ones back.", "设置已保留：阈值 {}。`m5 gc --undo -p {}` 可恢复。";
        TakenBack: "The old settings are back. With --keep the new ones stay; for good: gc.set_threshold{}", "已恢复原设置。加 --keep 可保留；永久生效请在程序中调用 gc.set_threshold{}";
        NothingKept: "Nothing was kept; the old settings are back.", "未保留任何设置；已恢复原设置。";
        NothingTried: "Nothing was tried.", "未做任何尝试。";
        Announce: "Setting the thresholds of PID {} to {} (were {})", "将 PID {} 的阈值设置为 {}（原为 {}）";
        AnnounceEnabled: "Setting automatic collection of PID {} to {}", "将 PID {} 的自动回收设置为 {}";
        Measuring: "Measuring for {}", "正在测量 {}";
        Shown: "interpreter {}: thresholds {}", "解释器 {}: 阈值 {}";
        Changed: "interpreter {}: thresholds {} → {}", "解释器 {}: 阈值 {} → {}";
        UndoHint: "`m5 gc --undo -p {}` puts the old settings back", "`m5 gc --undo -p {}` 可恢复原设置";
        ShownChanged: "m5 changed them; before: {}", "由 m5 修改；修改前: {}";
        ShownFrozen: "m5 froze the heap", "m5 已冻结堆";
        ShownUnconfirmed: "a change was begun and not confirmed: m5 is at it, or was ended in the middle; `--undo` puts back what was", "有一项修改已开始但未确认：m5 正在进行，或中途结束；可用 `--undo` 恢复";
        Restored: "interpreter {}: thresholds back to {}", "解释器 {}: 阈值恢复为 {}";
        ChangedSince: "interpreter {}: left alone, the program has set {} since", "解释器 {}: 未改动，程序之后已自行设置为 {}";
        StillFrozen: "the heap is still frozen", "堆仍处于冻结状态";
        Thawed: "unfrozen: {} object{|s} {is|are} collected again", "已解冻：{} 个对象重新参与回收";
        FreezeAnnounce: "Running gc.collect() and gc.freeze() in PID {}: one full pause", "在 PID {} 中执行 gc.collect() 和 gc.freeze()：一次全量暂停";
        FrozenNow: "frozen: {} object{|s} {is|are} no longer walked (before: {})", "已冻结：{} 个对象不再被扫描（之前 {}）";
        On: "on", "开";
        Off: "off", "关";
        UnknownBuild: "This build of CPython {} is not among those that m5 was tested with; it was read as {} after every check passed", "m5 未测试过此 CPython {} 构建；在通过全部校验后按 {} 读取";
        Serving: "Metrics at http://{}/metrics", "指标地址 http://{}/metrics";
    }
}
