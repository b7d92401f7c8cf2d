//! Which layer of a process grows, and what to do next.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// A line a layer.
    Grows {
        Title: "What grows", "增长来源";
        Line: "{} ({}): {}", "{}（{}）：{}";
        Share: "{}, {} of the growth", "{}，占增长的 {}";
        AfterFull: "after full GC", "完整回收后";
        Objects: "tracked objects", "被跟踪对象";
        Blocks: "allocated blocks", "已分配内存块";
        LargeBlocks: "of them over 512 bytes", "其中大于 512 字节";
        Arenas: "arenas", "arena";
        Sockets: "sockets", "套接字";
        GcHeap: "Python objects", "Python 对象";
        AllObjects: "Python objects, tracked or not", "Python 对象（是否被跟踪未定）";
        Untracked: "objects outside the collector", "回收器之外的对象";
        Fragmentation: "memory between live objects", "存活对象之间的碎片";
        Native: "native memory", "原生内存";
        UntrackedOrNative: "untracked objects or native memory", "未跟踪对象或原生内存";
        Memory: "anonymous memory, of objects nothing is known", "匿名内存（对象情况未知）";
        FilePages: "file or shared pages", "文件页或共享内存";
        Fds: "file descriptors", "文件描述符";
        Threads: "threads", "线程";
        DiffSnapshots: "take `m5 snapshot` twice and `m5 diff`: it names the type and its holder",
            "请执行两次 `m5 snapshot`，再用 `m5 diff` 比较：可得出增长的类型及其持有者";
        DiffUntracked: "take `m5 snapshot` twice and `m5 diff`; where nobody holds what grows, suspect a reference leak in an extension",
            "请执行两次 `m5 snapshot`，再用 `m5 diff` 比较；若增长的对象没有持有者，则怀疑扩展模块的引用泄漏";
        TryAllocator: "no object grows: native memory; prove a setting: m5 tune -- CMD",
            "没有对象增长：属于原生内存；可实测设置：m5 tune -- CMD";
        DiffThenAllocator: "no tracked object grows; take `m5 snapshot` twice and `m5 diff`; if no object grows there: native memory; prove a setting: m5 tune -- CMD",
            "被跟踪对象没有增长；请执行两次 `m5 snapshot`，再用 `m5 diff` 比较；若其中也没有对象增长，则属于原生内存：可实测设置：m5 tune -- CMD";
        Defragment: "allocate what lives long first, or restart workers from time to time",
            "先分配长期存活的对象，或定期重启工作进程";
        MeasureObjects: "take `m5 snapshot` twice and `m5 diff`; if no object grows: native memory; prove a setting: m5 tune -- CMD",
            "请执行两次 `m5 snapshot`，再用 `m5 diff` 比较；若没有对象增长，则属于原生内存：可实测设置：m5 tune -- CMD";
        LookAtMappings: "see the mapped files in `m5 snapshot`: caches of files, shared memory",
            "查看 `m5 snapshot` 中的映射文件：文件缓存、共享内存";
        LookAtSockets: "see the connections by peer and state; CLOSE_WAIT means that this side never closed",
            "按对端和状态查看连接；CLOSE_WAIT 表示本端未关闭";
        LookAtFds: "see the descriptors by kind: files that are opened and never closed",
            "按类型查看文件描述符：打开后未关闭的文件";
        LookAtThreads: "name them with `threading.enumerate()`: a pool or a timer made for each request",
            "用 `threading.enumerate()` 查看：每个请求都新建线程池或定时器";
    }
}
