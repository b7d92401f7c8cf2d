//! Why a running collector was not tuned, and what to do about it.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Errors of tuning and their remedies.
    TuneFault {
        Doubt: "nothing was written to PID {}: {}", "未写入 PID {}：{}";
        DoubtRemedy: "m5 writes only where the process confirms its layout; set it in the program: gc.set_threshold(…)",
            "只有在进程确认了内存布局后 m5 才会写入；请在程序中设置：gc.set_threshold(…)";
        Threshold: "a threshold must be between 0 and 2147483647, not {}", "阈值必须在 0 到 2147483647 之间，而不是 {}";
        ThresholdRemedy: "for instance --set 50000,20,100", "例如 --set 50000,20,100";
        NotObeyed: "PID {} kept {} instead of {}; the old settings were put back", "PID {} 保持 {} 而不是 {}；已恢复原设置";
        NotObeyedRemedy: "the program sets its thresholds itself: look for gc.set_threshold in it", "程序自己设置了阈值：请在程序中查找 gc.set_threshold";
        NothingToUndo: "m5 changed nothing in PID {} that it could undo", "m5 没有在 PID {} 中做过可撤销的修改";
        NothingToUndoRemedy: "`m5 gc --show` shows the settings; they may have been changed by another user's m5",
            "`m5 gc --show` 可查看设置；也可能由其他用户的 m5 修改";
        Journal: "cannot keep the old settings in {}: {}", "无法将原设置保存到 {}：{}";
        JournalRemedy: "set XDG_STATE_HOME to a folder that can be written; without it m5 changes nothing",
            "请将 XDG_STATE_HOME 设为可写目录；否则 m5 不做任何修改";
        NoRemote: "PID {} runs CPython {}: running gc.freeze() from outside needs 3.14 or later", "PID {} 运行 CPython {}：从外部执行 gc.freeze() 需要 3.14 或更高版本";
        NoRemoteRemedy: "call gc.freeze() in the program after its warm-up, or use the package m5mem", "请在程序预热后调用 gc.freeze()，或使用 m5mem 包";
        RemoteDisabled: "PID {} was started with remote debugging disabled", "PID {} 启动时禁用了远程调试";
        RemoteDisabledRemedy: "m5 respects that; start it without PYTHON_DISABLE_REMOTE_DEBUG and -X disable-remote-debug, or call gc.freeze() in the program",
            "m5 遵守该设置；请不带 PYTHON_DISABLE_REMOTE_DEBUG 和 -X disable-remote-debug 启动，或在程序中调用 gc.freeze()";
        RemoteTimeout: "the main thread of PID {} did not run the script within {} s; it was taken back", "PID {} 的主线程在 {} 秒内未执行脚本；已撤回";
        RemoteTimeoutRemedy: "a thread that waits runs it when it wakes: try again while the service has work", "等待中的线程唤醒后才会执行：请在服务有负载时重试";
        RemoteFailed: "the script in PID {} failed: {}", "PID {} 中的脚本失败：{}";
        RemoteFailedRemedy: "the process must be able to read and write a folder below /tmp", "该进程必须能读写 /tmp 下的目录";
    }
}
