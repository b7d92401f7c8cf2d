//! What is wrong with a command line.

use crate::shared::catalogue::catalogue;

catalogue! {
    /// Mistakes in what was typed.
    Usage {
        UnknownOption: "there is no option {}", "没有选项 {}";
        UnknownCommand: "there is no command {}", "没有命令 {}";
        Missing: "missing: {}", "缺少参数：{}";
        BadValue: "{} cannot be {}", "{} 的值无效：{}";
        Conflict: "{} cannot be used with {}", "{} 不能与 {} 同时使用";
        Other: "the command line is not understood: {}", "无法理解该命令行：{}";
        Values: "possible values: {}", "可用的值：{}";
        Similar: "did you mean {}?", "是否想输入 {}？";
        Help: "`{} --help` shows what there is", "`{} --help` 可查看用法";
    }
}
