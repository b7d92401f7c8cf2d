//! `m5 trim`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Memory given back to the system.
    TrimWords {
        Title: "Free memory of PID {} (GNU C library {})", "PID {} 的空闲内存（GNU C 库 {}）";
        Main: "main arena", "主 arena";
        Threads: "{} arena{|s} of threads", "{} 个线程 arena";
        Part: "PART", "部分";
        Chunks: "CHUNKS", "空闲块";
        InChunks: "IN CHUNKS", "块内";
        Top: "TOP", "堆顶";
        System: "FROM SYSTEM", "取自系统";
        Free: "{} in memory are free and could go back; fast bins, the caches of threads and chunks without a whole page are not counted",
            "内存中有 {} 空闲、可归还；未计入 fast bin、线程缓存以及不含整页的块";
        Kept: "{} are free and stay: locked, shared, or watched by the program's own wish", "{} 空闲但保留：被程序自身锁定、共享或监视";
        TooLittle: "less than {} (--min): not worth a stop, nothing was done", "不足 {}（--min），不值得暂停，未执行";
        Looked: "nothing was done (--dry-run); to give it back: m5 trim -p {}", "未执行（--dry-run）；归还命令：m5 trim -p {}";
        Gave: "{} went back in {} stop{|s}: the longest {}, together {} (allowed: {} each)", "已归还 {}，共暂停 {} 次：最长 {}，合计 {}（每次上限 {}）";
        Alone: "all others had been let go when the thread that makes m5's calls still waited for a processor: it stood for {} at the most",
            "其余线程均已放行时，执行 m5 调用的线程仍在等待处理器：最长停留 {}";
        LookedForLittle: "nothing was done (--dry-run); less than {} (--min) would not be worth a stop", "未执行（--dry-run）；不足 {}（--min），不值得暂停";
        Rss: "RSS {} before, {} after", "RSS：之前 {}，之后 {}";
        Later: "RSS {} after {}: {} came back, {} page fault{|s} in that time", "RSS {}（{} 后）：回升 {}，期间缺页 {} 次";
        NoLater: "it was not looked again later", "未在之后复查";
        Busy: "not all of it: in {} of {} stop{|s} a thread was inside the allocator; try again at a quieter time", "未全部归还：有 {} 次（共暂停 {} 次）线程正在分配器内；请在较空闲时重试";
        Unclear: "not all of it: in {} of {} stop{|s} it could not be ruled out that the thread was inside the allocator; try again", "未全部归还：有 {} 次（共暂停 {} 次）无法排除线程正在分配器内；请重试";
        Late: "not all of it: to stop all threads takes longer than --max-pause {} allows; allow more", "未全部归还：暂停全部线程超出 --max-pause {}；请放宽上限";
        OutOfReach: "not all of it: some lists of free chunks are too long for --max-pause {}; allow more", "未全部归还：部分空闲链表过长，--max-pause {} 内无法走完；请放宽上限";
        Stopped: "not all of it: it was ended before", "未全部归还：提前结束";
        Refused: "the kernel would not take {} ({})", "内核拒绝归还 {}（{}）";
        Pinned: "{} more are free in {} arena{|s} of Python's small objects and stay: live objects lie in them ({})",
            "另有 {} 空闲于 Python 小对象的 {} 个 arena 中，因其中有存活对象而保留（{}）";
        NotPinned: "no arena of Python's small objects is kept by a few live ones", "没有被少量存活对象钉住的小对象 arena";
        FreeOfOthers: "other allocators hold {} free, by their own books: blocks, and whole pages that they keep for later",
            "其他分配器自身账目显示空闲 {}：含空闲块及其留待后用的整页";
        UnknownOfOthers: "what other allocators hold free is not known: their books are not read", "其他分配器的空闲量未知：其账目无法读取";
        SomeFreeOfOthers: "other allocators hold at least {} free, by their own books: blocks, and whole pages that they keep for later; not all of their books are read",
            "其他分配器自身账目显示至少空闲 {}：含空闲块及其留待后用的整页；部分账目无法读取";
        Scattered: "{} more are free in the C library in less than whole pages, and stay until what lives beside them is freed", "另有 {} 空闲于 C 库中不足整页之处，待相邻内存释放后才能归还";
        PinnedUnknown: "what pins free memory is not known: {}", "无法得知是什么钉住了空闲内存：{}";
        AskPinned: "what pins free memory, and what other allocators hold free: m5 trim -p {} --dry-run", "钉住空闲内存的对象及其他分配器的空闲量：m5 trim -p {} --dry-run";
        Other: "{} is in use too ({}); what it holds free does not go back this way. The setting that returns it: {}",
            "另有 {} 在用（{}）；其空闲内存无法以此方式归还。对应设置：{}";
    }
}
