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
        Incomplete: "ended before all runs were made; --continue takes it up again", "提前结束；可用 --continue 继续";
        Round: "{}: run {}", "{}：第 {} 次运行";
        NotFor: "the command ended with {}", "命令结束状态为 {}";
    }
}
