//! `m5 bench-run` and `m5 leaks`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Runs of a command, and what its iterations keep.
    Bench {
        Title: "{}: {} run{|s}, hash seed {}", "{}：运行 {} 次，哈希种子 {}";
        Middle: "median", "中位数";
        Spread: "spread", "波动";
        Round: "run {} of {}", "第 {}/{} 次运行";
        NotMeasured: "not measured: the command must be Python 3.8+ without -I, -E or -S, and end by itself",
            "未测得：命令须为 Python 3.8+，不带 -I、-E、-S，并自行结束";
        Failed: "`{}` ended with {}: a run that fails measures nothing", "`{}` 以 {} 结束：失败的运行无法测量";
        FailedRemedy: "make the command end with 0 by itself; what it printed stands above", "请让命令自行以 0 结束；其输出见上文";
        NotIterable: "m5 cannot repeat the work of this command", "m5 无法重复执行该命令的工作";
        NotIterableRemedy: "give a Python command: `m5 leaks -- python app.py`, or a function: `m5 leaks --call module:function -- python`",
            "请给出 Python 命令：`m5 leaks -- python app.py`，或函数：`m5 leaks --call module:function -- python`";
        Mixed: "a recording of `m5 baseline` and runs of `m5 bench-run` do not compare: give two of a kind",
            "`m5 baseline` 的采集与 `m5 bench-run` 的运行不可比：请给出同类文件";
        LeaksTitle: "{}: {} process{|es}, five chunks of {} iteration{|s} after the warm-up", "{}：{} 个进程，预热后 5 组，每组 {} 次迭代";
        Process: "process", "进程";
        PerIteration: "kept per iteration (the least – the most of any chunk)", "每次迭代保留（各组最小 – 最大）";
        Objects: "GC objects", "GC 对象";
        Blocks: "allocated blocks", "已分配内存块";
        NativeBytes: "malloc in use", "malloc 在用";
        AnonBytes: "anonymous memory", "匿名内存";
        Leaking: "It leaks: with every {} iteration{|s} it keeps more, in {} process{|es}.",
            "存在泄漏：每 {} 次迭代都保留更多，{} 个进程一致。";
        Unsettled: "Something grew, but not from chunk to chunk: chunks of more iterations tell (-n {}).",
            "有所增长，但并非组组增长：增加每组迭代次数可以判明（-n {}）。";
        Bounded: "Undecided: it keeps more with every {} iteration{|s}, but all that stands out has a limit which it has not reached yet.",
            "未定：每 {} 次迭代都保留更多，但突出的内容都有上限，且尚未达到。";
        LeaksNext: "Next: take `m5 snapshot` of the running service twice and compare: the type that grows and who holds it.",
            "下一步：对运行中的服务两次执行 `m5 snapshot` 并对比，找出增长的类型及其持有者。";
        Kept: "What {} iteration{|s} of one more process kept:", "另一个进程 {} 次迭代所保留的：";
        KeptUnseen: "What it keeps could not be looked at: {}", "未能查看其保留的内容：{}";
        KeptByNobody: "No object and no group of blocks stands out: it keeps little, of many kinds.", "没有突出的对象或内存块：保留的内容少而杂。";
        NotLeaking: "No leak was seen: an iteration keeps fewer than {} object{|s} or blocks and less than {} of anonymous memory.",
            "未发现泄漏：每次迭代保留少于 {} 个对象或内存块，匿名内存少于 {}。";
        NoObjectsLeak: "An iteration keeps fewer than {} object{|s} or blocks; anonymous memory could not be measured, so nothing is said of native memory.",
            "每次迭代保留少于 {} 个对象或内存块；匿名内存未能测量，因此不对原生内存作判断。";
        NotLookedAt: "Not looked at: descriptors, threads, shared memory, files, and what only grows after more iterations.",
            "未查看：文件描述符、线程、共享内存、文件，以及更多迭代后才出现的增长。";
        Unsure: "Undecided: too few processes could be measured, or they do not agree.", "未定：可测进程太少，或结果不一致。";
    }
}
