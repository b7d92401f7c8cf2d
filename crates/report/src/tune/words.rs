//! `m5 tune`.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Settings tried on fresh processes.
    TuneWords {
        Title: "Settings tried on fresh processes of {}", "以全新进程试验设置：{}";
        Setting: "SETTING", "设置";
        Runs: "RUNS", "次数";
        Rss: "RSS", "RSS";
        Peak: "PEAK", "峰值";
        Pauses: "PAUSES", "暂停";
        Cpu: "CPU", "CPU";
        Result: "RESULT", "结果";
        Base: "as it is", "现状";
        Screened: "no promise in one run", "一次运行未见希望";
        Raced: "not proved", "未得证";
        Proved: "proved", "已证实";
        Costly: "helps, but costs elsewhere", "有效，但另有代价";
        Failed: "failed: {}", "失败：{}";
        LeftOut: "not tried: {} ({})", "未试：{}（{}）";
        Nothing: "nothing is recommended: no setting is proved to help by 2 % or more over {} run{|s} a side", "不作推荐：在每侧 {} 次运行中没有设置被证实至少改善 2 %";
        Recommended: "recommended, proved over {} run{|s} a side:", "推荐（每侧 {} 次运行证实）：";
        NothingToTry: "of the settings that were asked for ({}) none can be tried here: it is set already, not installed, or of another allocator (all: {})",
            "所要求的设置（{}）在此都无法试验：已设置、未安装或属于其他分配器（全部：{}）";
        NotMeasured: "`{}` could not be measured: {}", "无法测量 `{}`：{}";
        OtherSearch: "{} holds the runs of another command, load or time", "{} 中是其他命令、负载或时长的运行";
        OtherSearchRemedy: "give --continue another file, or repeat the command with which it began", "请为 --continue 指定其他文件，或使用最初的命令";
        Off: "they are off here", "此处未启用";
        NotInstalled: "not installed", "未安装";
        SetAlready: "{} is set already", "{} 已设置";
        Helped: "it changes {}", "其效果：{}";
        NotHelped: "not proved to help: {}", "未证实有改善：{}";
        BesideOther: "both together, against the better one alone", "两者同用，与其中较好者单用相比";
        Incomplete: "ended before all runs were made; --continue takes it up again", "提前结束；可用 --continue 继续";
        Round: "{}: run {}", "{}：第 {} 次运行";
        NotFor: "the command ended with {}", "命令结束状态为 {}";
    }
}
