//! `m5 alloc`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Where a process allocates.
    Alloc {
        Title: "Allocations of PID {} over {}", "PID {} 的内存分配，观察 {}";
        Seen: "{} sampled in {} windows open for {} in all; watching took {} of its time ({} a sample)", "共采样 {} 次，{} 个窗口合计打开 {}；观察占其时间的 {}（每次采样 {}）";
        Rate: "about {} allocations a second reach the allocator", "到达分配器的分配约为每秒 {} 次";
        NoRate: "the rate is not told: the windows held little but the watching itself", "未给出速率：窗口内几乎只有观察本身的开销";
        Threads: "{} of {} threads that run Python were watched", "共观察 {} 个线程（运行 Python 的线程共 {} 个）";
        Lost: "{} allocations found no room and are missing", "有 {} 次分配因缓冲区已满而缺失";
        NoStack: "{} samples had no Python stack that could be read", "有 {} 个样本没有可读取的 Python 栈";
        Cut: "{} stacks are deeper than what is kept", "有 {} 个栈的深度超过保留上限";
        NoBlocks: "survivors are not counted (--survival)", "未统计存活（--survival）";
        Partial: "this build copied its allocator into some of its callers: their allocations are not seen", "此构建将分配器内联到部分调用者中：这些分配不可见";
        FreeLists: "types with free lists (float, tuple, list, dict) reuse memory that the allocator never sees again", "带空闲链表的类型（float、tuple、list、dict）会复用内存，分配器无法看到";
        Share: "SHARE", "次数占比";
        Interval: "95 %", "95 % 区间";
        Bytes: "BYTES", "字节占比";
        Survive: "SURVIVE", "存活";
        Types: "TYPES", "类型";
        Line: "LINE", "代码行";
        Nowhere: "(no Python frame)", "（无 Python 帧）";
        NoSamples: "nothing was allocated while the windows were open", "窗口打开期间没有任何分配";
    }
}
