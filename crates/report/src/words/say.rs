//! What m5 says beside its reports, on standard error.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Notes for the person at the terminal.
    Say {
        FirstThreadEnded: "The main thread of PID {} has ended; read under the number of a thread that goes on: {}", "PID {} 的主线程已结束；改用仍在运行的线程编号读取：{}";
        OnlyProcess: "Looking at the only Python process: PID {} ({})", "正在分析唯一的 Python 进程：PID {}（{}）";
        Recording: "Recording {} process{|es}", "正在采集 {} 个进程";
        PausesBy: "PID {}: pauses: {}", "PID {}：暂停来源：{}";
        LookingAtKept: "It leaks: two snapshots of one more process, {} iteration{|s} apart", "存在泄漏：对另一个进程做两次快照，间隔 {} 次迭代";
        Iterating: "Process {} of {}: {} iteration{|s} a chunk, {} chunk{|s} and a warm-up", "第 {}/{} 个进程：每段 {} 次迭代，预热后共 {} 段";
        Looking: "Looking for {}", "观察 {}";
        Progress: "RSS {} · {} GC pauses · {} left", "RSS {} · {} 次 GC 暂停 · 剩余 {}";
    }
}
