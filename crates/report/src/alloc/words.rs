//! `m5 alloc`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Where a process allocates.
    Alloc {
        Title: "Allocations of PID {} over {}", "PID {} 的内存分配，观察 {}";
        Seen: "{} sampled in {} window{|s} open for {} in all; watching took {} of its time ({} a sample)", "共采样 {} 次，{} 个窗口合计打开 {}；观察占其时间的 {}（每次采样 {}）";
        Rests: "it ran for {} of the time, of which {} went into watching: the less it runs, the fewer samples the budget bears", "其运行时间占 {}，其中 {} 用于观察：运行越少，预算允许的样本越少";
        Rate: "about {} allocation{|s} a second reach the allocator ({} to {})", "到达分配器的分配约为每秒 {} 次（{} 至 {}）";
        NoRate: "the rate is not told: the windows held little but the watching itself", "未给出速率：窗口内几乎只有观察本身的开销";
        Between: "between {} and {} allocations a second reach the allocator; it is not told better, as samples are few or the windows held little but the watching itself", "到达分配器的分配为每秒 {} 至 {} 次；样本太少，或窗口内几乎只有观察本身的开销，无法更精确";
        CutWindows: "{} window{|s} {was|were} ended by the kernel: a thread allocated too much in {it|them}", "有 {} 个窗口被内核提前关闭：其中有线程分配过多";
        Threads: "{} of {} thread{|s} that run Python were watched", "共观察 {} 个线程（运行 Python 的线程共 {} 个）";
        Lost: "{} allocation{|s} found no room and are missing", "有 {} 次分配因缓冲区已满而缺失";
        NoStack: "{} sample{|s} had no Python stack that could be read", "有 {} 个样本没有可读取的 Python 栈";
        Cut: "{} stack{|s} {is|are} deeper than what is kept", "有 {} 个栈的深度超过保留上限";
        NoBlocks: "survivors are not counted (--survival)", "未统计存活（--survival）";
        Partial: "this build copied its allocator into some of its callers: their allocations are not seen", "此构建将分配器内联到部分调用者中：这些分配不可见";
        ObjectsOnly: "a build without the GIL asks elsewhere for the items of lists and the keys of dicts: objects alone are seen", "无 GIL 的构建另行申请列表元素与字典键的内存：只能看到对象本身";
        FreeLists: "types with free lists (float, tuple, list, dict) reuse memory that the allocator never sees again", "带空闲链表的类型（float、tuple、list、dict）会复用内存，分配器无法看到";
        Coarse: "the coarser source: stacks at the starts of young collections, each for {} new tracked objects less those that died; bytes, survivors, and objects that are untracked (numbers, texts) or die at once are not seen, and from CPython 3.12 on the line may be that of the next call or turn of a loop", "较粗的来源：年轻代回收开始时的栈，每个代表 {} 个新增的受跟踪对象（已扣除死亡的）；看不到字节数、存活情况，以及不受跟踪（数字、字符串）或立即死亡的对象；CPython 3.12 起，代码行可能是下一次调用或循环跳转所在的行";
        NoBetter: "every kind of allocation, bytes and survivors cannot be seen here: {}", "此处看不到各类分配、字节数与存活：{}";
        Better: "every kind of allocation, bytes and survivors: give m5 CAP_BPF and CAP_PERFMON, or run it as root ({})", "要看到各类分配、字节数与存活：请授予 m5 CAP_BPF 与 CAP_PERFMON，或以 root 运行（{}）";
        Starts: "{} sample{|s} of {} young collection{|s} in {} window{|s} open for {} in all; {} collection{|s} happened, so that {} are sampled; watching took at most {} of its time", "{} 个样本，来自 {} 次年轻代回收，{} 个窗口合计打开 {}，共发生 {} 次回收，采样 {}；观察最多占其时间的 {}";
        NetRate: "about {} tracked object{|s} a second more than die", "受跟踪对象约每秒净增 {} 个";
        OuterMissing: "{} stack{|s} lack{s|} {its|their} outer frames: the collection ended while {it was|they were} read", "有 {} 个栈缺少外层帧：读取时回收已结束";
        FewCaught: "most collections ended before their stack was read: lines whose collections take longer are told too often", "多数回收在读完栈之前已结束：回收耗时较长的代码行会被高估";
        NoCollection: "no collection happened: nothing can be said of where objects are made; watch for longer (-d)", "没有发生回收：无法判断对象在何处创建；请延长观察（-d）";
        NoneCaught: "no collection was seen from its start: watch for longer (-d)", "没有捕捉到任何一次回收的开始：请延长观察（-d）";
        Share: "SHARE", "次数占比";
        Interval: "95 %", "95 % 区间";
        Bytes: "BYTES", "字节占比";
        PerSecond: "A SECOND", "次/秒";
        BytesPerSecond: "BYTES A SECOND", "字节/秒";
        Survive: "SURVIVE", "存活";
        Types: "TYPES", "类型";
        Line: "LINE", "代码行";
        CalledFrom: "{}, called from {}", "{}，调用自 {}";
        Nowhere: "(no Python frame)", "（无 Python 帧）";
        NoSamples: "nothing was allocated while the windows were open", "窗口打开期间没有任何分配";
    }
}
