//! `m5 serve`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// What the exporter says on standard error.
    Serve {
        Listening: "serving on {}://{}/ (metrics at /metrics); Ctrl-C ends", "服务地址 {}://{}/（指标位于 /metrics），Ctrl-C 结束";
        NotRead: "not read, only memory, CPU time and threads are told: {}", "无法读取，仅提供内存、CPU 时间与线程数：{}";
        NotReadMore: "{} and {} more", "{} 等，另有 {} 个";
        NoTurns: "turns of event loops (event_loop_turns) are not counted: {}", "未统计事件循环轮次（event_loop_turns）：{}";
        Remedy: "choose another address with --listen, or end what listens there", "请用 --listen 换一个地址，或结束占用该地址的程序";
    }
}
