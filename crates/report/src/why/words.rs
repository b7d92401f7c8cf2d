//! `m5 why`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// What is wrong, the evidence, what to do next.
    WhyWords {
        Fine: "Nothing is wrong that {} of looking can show.", "{} 的观察中未发现问题。";
        Problems: "Problems found: {}", "发现 {} 个问题：";
        Notices: "Nothing urgent; {} to keep in view:", "没有紧急问题；{} 项值得留意：";
        More: " (the first three are told; --json has {} more)", "（仅列前三项；--json 另有 {} 项）";
        Evidence: "evidence: {}", "证据：{}";
        Next: "next: {}: {}", "下一步：{}：{}";
        NotSeen: "Not seen: {}", "未能看到：{}";
        Grows: "{} grow by {},", "{} 增长 {}，";
        GrowsInPlace: "{} grows in place by {},", "{} 原地增长 {}，";
        RssGrows: "RSS grows by {}, {}; what grows could not be seen", "RSS 增长 {}，{}；无法看到增长的是什么";
        Stopped: "somebody stopped this process (SIGSTOP or a debugger): it does nothing until it is continued", "该进程被暂停（SIGSTOP 或调试器）：继续运行前不做任何事";
        FineAsSeen: "Nothing is wrong in what could be seen in {}; the objects could not.", "在 {} 内可见的部分未发现问题；对象无法看到。";
        AdviceRss: "look longer, as its own user or as root to see what grows", "延长观察；以该进程的用户或 root 运行可看到增长的是什么";
        AdviceStopped: "continue it, or end the debugger", "继续运行它，或结束调试器";
        Fills: "{} grow by {} in a cache with a limit,", "{} 增长 {}，位于有上限的缓存，";
        HeldBy: "held by {}", "由 {} 持有";
        NativeGrows: "native memory grows: {} block{|s} of {}, {}, {}", "原生内存增长：{} 个 {} 的块，{}，{}";
        NativeGrowsInPlace: "native memory grows: blocks of {}, no more of them than before, {}, {}", "原生内存增长：{} 的块，数量未增加，{}，{}";
        KeptBy: "kept by {}", "由 {} 持有";
        KeptByNobody: "that no object or library leads to", "没有任何对象或库指向它们";
        PartGrows: "memory beside objects grows: {} by {}, {}", "对象之外的内存增长：{} {}，{}";
        NeverFreed: "{} object{|s} ({}) are garbage that no collection can free, through {}", "{} 个对象（{}）是任何回收都无法释放的垃圾，经过 {}";
        CollectorOff: "{} object{|s} ({}) are garbage, and automatic collection is off", "{} 个对象（{}）是垃圾，而自动回收已关闭";
        GarbageWaits: "{} object{|s} ({}) are garbage, {}; no full collection ran in {}", "{} 个对象（{}）是垃圾，{}；{} 内没有完全回收";
        LimitIn: "the memory limit is {} away: reached in {} at this rate", "距内存上限还有 {}：按此速度 {} 后达到";
        Limit: "the memory limit is {} away", "距内存上限还有 {}";
        FreePymalloc: "{} ({} of RSS) are free blocks that a few live objects pin", "{}（占 RSS 的 {}）是被少量存活对象钉住的空闲块";
        FreeNative: "{} ({} of RSS) are free in the C library and not returned", "{}（占 RSS 的 {}）在 C 库中空闲但未归还";
        FreeElsewhere: "{} ({} of RSS) are free and not returned, most of it in {}", "{}（占 RSS 的 {}）空闲但未归还，大部分在 {} 中";
        Unnamed: "the allocator of an extension", "某个扩展自带的分配器";
        Returns: "m5 trim cannot give that back; the setting that returns it: {}", "m5 trim 无法归还这部分；使其归还的设置：{}";
        AdviceElsewhere: "see it in full (the setting is proved by `{}`)", "查看详情（可用 `{}` 实测该设置）";
        Missed: "{}: {}, the objective is {}", "{}：{}，目标为 {}";
        Bytes: "{} in {} object{|s}", "{}，{} 个对象";
        OfItNative: "{} of it native memory that they own", "其中 {} 为它们拥有的原生内存";
        AdviceHeld: "bound or clear {}; watch it longer", "限制或清理 {}；延长观察";
        AdviceInterned: "make fewer different names (setattr, exec, sys.intern: nobody can clear those); watch it longer",
            "减少不同名字的生成（setattr、exec、sys.intern：它们无法清除）；延长观察";
        AdviceUncollectable: "break the cycle or use a version of {} that supports the collector", "打破循环，或换用支持垃圾回收的 {} 版本";
        AdviceOutlives: "an extension type in it leaves a reference out: upgrade it, or break the cycle", "其中某个扩展类型遗漏了引用：升级它，或打破循环";
        AdviceLost: "an extension keeps or lost references; watch it longer to be sure", "某个扩展保留或丢失了引用；延长观察以确认";
        AdviceFills: "it ends at its limit; see whether that is wanted", "到上限即停止；确认这是否符合预期";
        AdviceNative: "native code allocates it; watch it longer, then upgrade or profile that extension", "由原生代码分配；延长观察，然后升级或分析该扩展";
        AdvicePart: "watch it longer, to see whether it goes on", "延长观察，确认是否持续";
        AdviceCollector: "turn it on or call gc.collect()", "开启自动回收或调用 gc.collect()";
        AdviceWaits: "see whether full collections come; garbage that gc.freeze() took in is never freed", "看完全回收是否会发生；被 gc.freeze() 冻结的垃圾永远不会释放";
        AdviceLimit: "see what it is made of", "查看内存构成";
        Returnable: "{} of it would go back at once", "其中 {} 可立即归还";
        AdviceTrim: "give it back (a setting that keeps it so is proved by `{}`)", "归还它（可用 `{}` 实测能长期避免的设置）";
        AdviceFree: "see what keeps it (a setting against it is proved by `{}`)", "查看是什么钉住了它（可用 `{}` 实测对策设置）";
        AdviceMissed: "see it in full", "查看详情";
        SlowGrowth: "growth below {} (m5 baseline -p {} tells it)", "低于 {} 的增长（m5 baseline -p {} 可判断）";
        NoObjects: "the objects ({})", "对象（{}）";
        References: "who holds {} of the references", "{} 的引用由谁持有";
        UnnamedRss: "what {} of RSS is", "RSS 的 {} 是什么";
        NoLines: "which lines make what grows ({})", "创建增长对象的代码行（{}）";
        NoPauses: "the collector's pauses", "回收器的暂停";
        Children: "its {} child process{|es}", "它的 {} 个子进程";
    }
}
