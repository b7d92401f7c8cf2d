//! What m5 does, step by step, on standard error: silent unless it is asked for.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::uptime;

/// Listens to the steps that `M5_LOG` names (`debug`, `m5_process=trace`), or to more of them with each `-v`.
pub(crate) fn begin(verbose: u8) {
    let asked = std::env::var("M5_LOG").ok().filter(|v| !v.is_empty());
    let level = match (asked, verbose) {
        (Some(asked), _) => asked,
        (None, 0) => return,
        (None, 1) => "m5=info".to_owned(),
        (None, _) => "debug".to_owned(),
    };
    let filter = EnvFilter::try_new(&level).unwrap_or_else(|_| EnvFilter::new("debug"));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_timer(uptime())
        .try_init();
}
