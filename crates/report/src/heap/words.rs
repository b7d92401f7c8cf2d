//! `m5 snapshot` and `m5 diff`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// What is in memory, who holds it, what grew.
    Heap {
        Title: "PID {}: {}, Python {}", "PID {}：{}，Python {}";
        TitleUp: "PID {}: {}, Python {}, up {}", "PID {}：{}，Python {}，已运行 {}";
        TakenPaused: "Taken by {}: the target paused for {}", "采集方式 {}：目标暂停 {}";
        TakenRunning: "Taken by {}: the target was not stopped", "采集方式 {}：目标未被暂停";
        TakenCore: "Read from a core file", "读取自核心转储文件";
        Counts: "{} object{|s} of {} type{|s}, {} ({} reference{|s})", "{} 个对象，{} 种类型，共 {}（{} 条引用）";
        Resident: "RSS {}", "RSS {}";
        Coverage: "Coverage: {}", "覆盖率：{}";
        CoverageRefcounts: "{} of the reference counts explained", "引用计数已解释 {}";
        CoverageReachable: "{} of the objects reached from a root", "从根可达的对象占 {}";
        CoverageRss: "{} of RSS named", "RSS 已归类 {}";
        CoverageInconsistent: "{} inconsistenc{y|ies} while it ran", "运行中采集发现 {} 处不一致";
        Note: "Note: {}", "注意：{}";
        QueuedFor: "{} object{|s} ({}, without what they hold) wait for thread {}{}: another thread dropped the last reference to them, and their owner frees them when it next runs Python code",
            "{} 个对象（{}，不含其引用的对象）在等待线程 {}{}：最后一个引用由其他线程释放，所属线程下次运行 Python 代码时才会回收它们";
        OwnerRuns: ", which runs", "（正在运行）";
        OwnerSleeps: ", which sleeps", "（正在休眠）";
        OwnerWaits: ", which waits in the kernel", "（正在内核中等待）";
        OwnerStopped: ", which is stopped", "（已停止）";
        MemoryHead: "WHERE RSS WENT", "RSS 去向";
        VerdictObjects: "{} ({}) are live objects: see the types and their holders; `m5 diff` of two snapshots tells a leak from a cache",
            "{}（{}）是存活对象：请看类型与持有者；用 `m5 diff` 比较两次快照可区分泄漏与缓存";
        VerdictPymalloc: "{} ({}) are free blocks that few live objects keep from going back: make long-lived objects early or elsewhere (gc.freeze, a worker that ends), or prove PYTHONMALLOC=malloc, jemalloc and others: m5 tune -- CMD",
            "{}（{}）是被少量存活对象钉住的空闲块：尽早或在别处创建长寿对象（gc.freeze、定期退出的工作进程），或实测 PYTHONMALLOC=malloc、jemalloc 等设置：m5 tune -- CMD";
        VerdictNativeFree: "{} ({}) are free in the C library and not returned: give it back: m5 trim -p {}; prove a setting: m5 tune -- CMD",
            "{}（{}）在 C 库中空闲但未归还：归还：m5 trim -p {}；实测设置：m5 tune -- CMD";
        VerdictElsewhereFree: "{} ({}) are free and not returned, most of it in {}, which uses it again before it asks for more; m5 trim cannot give that back; the setting that returns it: {}; prove it: m5 tune -- CMD",
            "{}（{}）空闲但未归还，大部分在 {} 中，会先被重新使用；m5 trim 无法归还这部分；使其归还的设置：{}；实测：m5 tune -- CMD";
        VerdictUnnamedFree: "{} ({}) are free and not returned, most of it in the allocator of an extension, which uses it again before it asks for more; m5 trim cannot give that back",
            "{}（{}）空闲但未归还，大部分在某个扩展自带的分配器中，会先被重新使用；m5 trim 无法归还这部分";
        VerdictNative: "{} ({}) are in use by native code (extensions, buffers), not by Python objects", "{}（{}）由原生代码（扩展、缓冲区）使用，而非 Python 对象";
        VerdictCode: "{} ({}) are code and data of files, shared with other processes where they are clean: fewer imports lower it", "{}（{}）是程序与库文件，干净页可与其他进程共享：减少导入可降低";
        Swapped: "Of it {} are swapped out.", "其中 {} 已换出。";
        PageTables: "Beside RSS the kernel keeps {} of page tables for it, which a container's limit counts.", "RSS 之外，内核另有 {} 页表，计入容器的内存限制。";
        Pinned: "{} are free in {} sparse arena{|s} that a few objects pin: {}", "{} 空闲内存位于 {} 个稀疏 arena 中，被少量对象钉住：{}";
        TreeHead: "PROCESSES: WHAT WORKERS SHARE WITH THEIR PARENT", "进程：工作进程与父进程共享的内存";
        TreePid: "PID", "PID";
        TreeRss: "RSS", "RSS";
        TreePss: "PSS", "PSS";
        TreePrivate: "PRIVATE", "私有";
        TreeShared: "STILL SHARED", "仍共享";
        TreeCollector: "COPIED BY GC", "因 GC 复制";
        TreeCounts: "BY COUNTS", "因引用计数";
        TreeChanged: "BY CHANGES", "因内容变化";
        TreeOwn: "NEW", "新分配";
        TreeAlone: "It has no children: nothing to compare.", "没有子进程，无可比较。";
        TreeFreeze: "{} in {} worker{|s} were copied only because the collector wrote its marks beside inherited objects: call gc.disable() early in the parent, gc.freeze() right before it forks, gc.enable() in the workers (gunicorn: preload_app with these in when_ready and post_fork)",
            "{}（{} 个工作进程）仅因回收器在继承对象旁写标记而被复制：在父进程早期调用 gc.disable()，fork 前调用 gc.freeze()，在工作进程中调用 gc.enable()（gunicorn：preload_app，并放入 when_ready 与 post_fork）";
        TreeCounted: "{} in {} worker{|s} were copied only because objects were counted as they were read; gc.freeze does not help there: keep large read-only data in few objects (arrays, bytes, mmap, a database) instead of many",
            "{}（{} 个工作进程）仅因读取对象时改写引用计数而被复制；gc.freeze 对此无效：请把大块只读数据放在少量对象中（数组、bytes、mmap、数据库），而不是大量小对象";
        TreePreload: "{} in {} worker{|s} are new since the fork and little was inherited: load the application before forking (gunicorn --preload), so that workers share it",
            "{}（{} 个工作进程）是 fork 之后新分配的，继承很少：请在 fork 之前加载应用（gunicorn --preload）以便共享";
        TreeFine: "{} in {} worker{|s} are still shared with their parent; little was copied for bookkeeping", "{}（{} 个工作进程）仍与父进程共享；因簿记而复制的很少";
        TypesHead: "TYPES", "类型";
        Type: "TYPE", "类型";
        Count: "COUNT", "数量";
        Bytes: "BYTES", "字节";
        Share: "SHARE", "占比";
        Retained: "RETAINED", "保留大小";
        HeldBy: "HELD BY", "持有者";
        HoldersHead: "WHO HOLDS THEM", "谁在持有";
        HoldersLine: "{} of {} {}: {}", "{}（共 {} 个 {}）：{}";
        HoldersSample: "{} of a sample of {} of {} {}: {}", "{}（抽样 {}，共 {} 个 {}）：{}";
        HoldingsHead: "LARGEST HOLDINGS (what would go with each)", "最大的持有者（随之释放的内存）";
        LooseHead: "WITHOUT A HOLDER", "没有持有者的对象";
        LooseLine: "{}: {} object{|s}, {}", "{}：{} 个对象，{}";
        Items: "{} ({}, {} item{|s})", "{}（{}，{} 项）";
        FullItems: "{} ({}, full, {} of {})", "{}（{}，已满，{}/{}）";
        LimitedItems: "{} ({}, {} of at most {} item{|s})", "{}（{}，{} 项，上限 {}）";
        NoItems: "{} ({})", "{}（{}）";
        Native: "native memory only", "仅由原生内存引用";
        NativeIn: "native memory only: {}", "仅由原生内存引用：{}";
        NoReferrer: "no referrer: native or refcount leak", "无引用者：原生代码或引用计数泄漏";
        Garbage: "nothing: a cycle that waits for the collector", "无人持有：等待回收的循环垃圾";
        Uncollectable: "garbage that no collection frees", "任何回收都无法释放的垃圾";
        OutlivesCollections: "nobody, yet it outlives full collections: a cycle with a reference that the collector does not see", "无人持有，却在完整回收后仍然存在：循环中有回收器看不到的引用";
        UncollectableThrough: "nobody, yet never freed: a cycle that the collector cannot free, through {}, whose references it does not see",
            "无人持有却永不释放：循环经过 {}，回收器看不到它的引用，无法回收";
        FdsHead: "DESCRIPTORS AND THEIR HOLDERS", "文件描述符及其持有者";
        FdOwner: "{} owned by {}, held by {}", "{}，属于 {}，由 {} 持有";
        FdNobody: "{}: no Python object owns it", "{}：没有 Python 对象拥有它";
        DiffHead: "PID {}, {} apart: objects {}, object bytes {}, RSS {}", "PID {}，间隔 {}：对象 {}，对象字节 {}，RSS {}";
        DiffOther: "PID {} against PID {}, two processes: compared by type and by the names of holders",
            "PID {} 与 PID {} 是两个进程：按类型与持有者名称比较";
        DiffNone: "Nothing that holds objects grew.", "没有任何持有者增长。";
        PerSecond: "{} {} a second", "每秒 {} 个 {}";
        Grown: "{} {}", "{} 个 {}";
        CulpritHeld: "{} ({} object{|s}, {}), held by {}", "{}（{} 个对象，{}），由 {} 持有";
        CulpritLoose: "{} ({} object{|s}, {}): {}", "{}（{} 个对象，{}）：{}";
        CulpritShare: "{} of the {} are held so", "其中 {} 的 {} 由此持有";
        Path: "path: {}", "路径：{}";
        Also: "with it: {}", "同时增长：{}";
        GrewInPlace: "{} grew in place ({}), held by {}", "{} 原地增长（{}），由 {} 持有";
        ASecond: ", {} a second", "，每秒 {}";
        OfItNative: "{} of it native memory that they own", "其中 {} 为它们拥有的原生内存";
        BlocksOwned: "{} native block{|s} of {} ({}), kept by {}", "{} 个 {} 的原生内存块（{}），由 {} 持有";
        BlocksLoose: "{} native block{|s} of {} ({}) in use: no object and no library leads to them, so native code lost them or keeps them to itself",
            "{} 个 {} 的原生内存块（{}）在用：没有任何对象或库指向它们，是原生代码丢失或私自保留";
        AccountLine: "RSS {}: {}", "RSS {}：{}";
        AccountRest: "other", "其他";
        Comma: ", ", "，";
        MadeAt: "made at {} in {} ({} of {} surviving sample{|s})", "创建于 {} 的 {}（{}/{} 个存活样本）";
        MadeInside: "{}, allocated in {}", "{}，分配于 {}";
        MadeAlso: "also made at {} in {} ({})", "另创建于 {} 的 {}（{}）";
        UnnamedFew: "which line made it is not known yet: {} sampled object{|s} of it live{s|}, {} are needed; look for longer", "创建它的代码行尚不明确：存活样本 {} 个，至少需要 {} 个；请延长观察时间";
        UnnamedMany: "which line made it is not told: of {} surviving samples no line made much", "未给出创建它的代码行：{} 个存活样本分散于多行";
        UnnamedReused: "which line made it is not told: more sampled blocks ({}) are in use than were kept, so that others got them", "未给出创建它的代码行：在用的采样块（{} 个）多于实际保留的数量，说明块已被重复使用";
        UnnamedHandedOn: "which line made it is not told: {} sampled object{|s} of the type died, and others of it were made in {its|their} place", "未给出创建它的代码行：{} 个该类型的采样对象已释放，其内存被其他代码行的同类型对象占用";
        MadeWithin: "{} in it made at {} in {} ({} of {} surviving sample{|s})", "其中的 {} 创建于 {} 的 {}（{}/{} 个存活样本）";
        UnnamedLarge: "which line made it is not known: of large blocks none was sampled", "创建它的代码行未知：未采样到大内存块";
        NoLines: "which lines made them is not told: {}; {}", "未给出创建它们的代码行：{}；{}";
        LinesCoarse: "Coarser, by young collections: of all new objects that the collector tracks, not only these, most are made at {} in {} ({} of {})", "较粗略的年轻代回收采样：在回收器跟踪的全部新对象（不限于上述对象）中，多数创建于 {} 的 {}（{}/{}）";
        LinesPartial: "this build copied its allocator into some of its callers: lines behind those are not seen", "此构建将分配器内联到部分调用者中：其后的代码行不可见";
        GrownTypesHead: "TYPES THAT CHANGED", "有变化的类型";
        Change: "CHANGE", "变化";
        Saved: "Saved to {} ({})", "已保存到 {}（{}）";
        Spooled: "m5 itself needs about {} for this: meanwhile they lie in an unnamed file in {} (--spool none: in memory)",
            "m5 自身约需 {}：期间放在 {} 下的匿名文件中（--spool none 则放在内存中）";
        Held: "m5 itself needs about {} of memory for this: no folder on a disk with that room to spare was found (--spool DIR)",
            "m5 自身约需 {} 内存：没有找到空间充裕的磁盘目录（可用 --spool DIR 指定）";
        HeldBesideTarget: "m5 itself needs about {} of memory for this: a file would take as much below the limit that it shares with the target (--spool DIR)",
            "m5 自身约需 {} 内存：若改用文件，会占用与目标进程共用的控制组额度（可用 --spool DIR 指定）";
        SpoolRanFull: "The disk of {} has no more room for m5's buffers: once more, with them in memory", "{} 所在磁盘已无空间存放 m5 的缓冲区：改用内存重新采集";
        ContinuousStart: "Snapshot {} of {}: RSS {}", "第 {}/{} 次快照：RSS {}";
        Leak: "{}: {}, {} a snapshot", "{}：{}，每次快照 {}";
        NoLeak: "No growth that looks like a leak.", "未发现疑似泄漏的增长。";
    }
}
