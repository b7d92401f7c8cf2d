//! `m5 stalls`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// What stalls an event loop.
    Stall {
        Title: "Turns of the event loops of PID {} over {}", "PID {} 的事件循环轮次，观察 {}";
        None: "no thread waited for events: no event loop, or one that never came back to its wait", "没有线程等待事件：没有事件循环，或循环始终未返回等待";
        Thread: "THREAD", "线程";
        Turns: "TURNS", "轮次";
        Longest: "LONGEST", "最长";
        Long: "{} turns over {}", "{} 个轮次超过 {}";
        Each: "{} at {} in thread {}: {}", "{}，位于 {}，线程 {}：{}";
        Collecting: "the garbage collector ran, started at", "垃圾回收正在运行，起于";
        Shares: "on a processor {}, waiting for one {}, else asleep or waiting for the GIL", "占用处理器 {}，等待处理器 {}，其余为休眠或等待 GIL";
        NotLooked: "not looked at in time", "未能及时查看";
        Lost: "{} entries or exits of waits found no room and are missing", "有 {} 次等待的进入或返回因缓冲区已满而缺失";
    }
}
