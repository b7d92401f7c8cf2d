//! What is told while collections happen: a line for each, and metrics in a file or on a port.

use super::GcArgs;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::output;
use m5_agent::web::{Access, Bounds, Bytes, Server, Source, WebOptions, serve};
use m5_cpython::Interpreter;
use m5_gc::{Detail, Pause};
use m5_process::{Process, monotonic_ns};
use m5_report::metrics::{Format, GcMetrics, render};
use m5_report::texts::Gc;
use m5_report::{text, units};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where metrics go.
enum Place {
    File(PathBuf),
    Port(u16),
}

/// Tells pauses as they end.
pub(super) struct Live {
    above: Option<Duration>,
    place: Option<Place>,
    watched: Option<Arc<Watched>>,
    begin_ns: u64,
    total_ns: u64,
    written_ns: u64,
    _server: Option<Server>,
}

/// How often a metrics file is written anew.
const REWRITE_NS: u64 = 5_000_000_000;

impl Live {
    /// Reads the arguments; a file that could not be written is told at once.
    pub(super) fn new(args: &GcArgs, _ctx: &Ctx) -> Result<Self, CliError> {
        let place = args.prometheus.as_deref().map(|text| {
            let port = text.strip_prefix(':').and_then(|port| port.parse().ok());
            port.map_or_else(|| Place::File(PathBuf::from(text)), Place::Port)
        });
        if let Some(Place::File(path)) = &place {
            output::check_writable(path)?;
        }
        let above = args.above.map(|a| a.0).or(args.log.then_some(Duration::ZERO));
        let now = monotonic_ns();
        Ok(Self { above, place, watched: None, begin_ns: now, total_ns: 0, written_ns: 0, _server: None })
    }

    /// Begins with a process.
    pub(super) fn begin(
        &mut self,
        process: &Process,
        interpreter: &Interpreter,
        ctx: &Ctx,
    ) -> Result<(), CliError> {
        self.begin_ns = monotonic_ns();
        let metrics = Mutex::new(GcMetrics::new(process.pid()));
        let (process, interpreter) = (process.clone(), interpreter.clone());
        let watched = Arc::new(Watched { metrics, process, interpreter });
        self.watched = Some(Arc::clone(&watched));
        if let Some(Place::Port(port)) = self.place {
            let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let (access, bounds) = (Access::default(), Bounds::default());
            let allowed_hosts = Vec::new();
            let options = WebOptions { listen, allowed_hosts, access, tls: None, insecure: false, bounds };
            let server = serve(&options, watched).map_err(|e| CliError::Kernel { message: e.to_string() })?;
            ctx.note(Gc::Serving, &[&server.address()]);
            self._server = Some(server);
        }
        Ok(())
    }

    /// One pause.
    pub(super) fn pause(&mut self, pause: &Pause, detail: Option<&Detail>) {
        let seconds = pause.duration_ns as f64 / 1e9;
        self.total_ns += pause.duration_ns;
        if let Some(watched) = &self.watched {
            watched.lock().observe(pause.generation, seconds);
        }
        if self.above.is_some_and(|above| pause.duration_ns as u128 >= above.as_nanos()) {
            self.line(pause, seconds, detail);
        }
        let now = monotonic_ns();
        if now >= self.written_ns + REWRITE_NS {
            self.written_ns = now;
            let _ = self.write();
        }
    }

    /// Like the runtime traces of other languages: one line, fields by name, the same in every language.
    fn line(&self, pause: &Pause, seconds: f64, detail: Option<&Detail>) {
        let at = pause.start_ns.saturating_sub(self.begin_ns) as f64 / 1e9;
        let generation = pause.generation.map_or_else(|| "?".to_owned(), |g| g.to_string());
        let tid = pause.tid.map(|t| format!(" tid={t}")).unwrap_or_default();
        let collected = pause.collected.map(|n| format!(" collected={n}")).unwrap_or_default();
        let ms = |name: &str, ns: u64| format!(" {name}={:.3}ms", ns as f64 / 1e6);
        let world = detail.and_then(|d| d.world).map_or_else(String::new, |w| {
            ms("stood", w.stood_ns) + &w.waited_ns.map(|ns| ms("waited", ns)).unwrap_or_default()
        });
        let innermost = detail.and_then(|d| d.stack.first());
        let frame =
            innermost.map(|f| format!(" in={} at={}", f.function, text::place(f))).unwrap_or_default();
        let total = units::time(self.total_ns as f64 / 1e9).replace(' ', "");
        let _ = writeln!(
            std::io::stderr(),
            "gc pid={} @{at:.3}s gen={generation} pause={:.3}ms total={total}{world}{tid}{collected}{frame}",
            pause.pid,
            seconds * 1e3,
        );
    }

    /// Writes the metrics a last time.
    pub(super) fn end(&mut self) -> Result<(), CliError> {
        self.write()
    }

    fn write(&self) -> Result<(), CliError> {
        match (&self.place, &self.watched) {
            (Some(Place::File(path)), Some(watched)) => {
                output::write_file(path, &watched.metrics(Format::Text))
            }
            _ => Ok(()),
        }
    }
}

/// A process whose metrics somebody asks for.
struct Watched {
    metrics: Mutex<GcMetrics>,
    process: Process,
    interpreter: Interpreter,
}

impl Watched {
    fn lock(&self) -> std::sync::MutexGuard<'_, GcMetrics> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Watched {
    /// Two small reads of the target; what it was last stays where it is gone.
    fn metrics(&self, format: Format) -> Bytes {
        let mut metrics = self.lock();
        if let Ok(state) = self.interpreter.read() {
            metrics.collections = state.generations.map(|g| g.collections);
            metrics.collected = state.generations.map(|g| g.collected);
        }
        metrics.rss_bytes = self.process.status().ok().and_then(|s| s.rss_bytes);
        render(&metrics.families(), format).into()
    }

    fn page(&self) -> String {
        "<!doctype html><title>m5 gc</title><a href=/metrics>metrics</a>\n".to_owned()
    }

    fn data(&self, _what: &str) -> Option<Bytes> {
        None
    }
}
