//! Scrapes of a watchdog: the figures of what it watches, and what it did.

use crate::commands::serve::web_error;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::objectives::objectives;
use m5_agent::exporter::{Published, ROUNDS_KEPT, families};
use m5_agent::objectives::ObjectivesByService;
use m5_agent::pool::Pool;
use m5_agent::watchdog::Watchdog;
use m5_agent::web::{Access, Bounds, Server, WebOptions, serve};
use m5_report::texts::Serve;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

/// What is answered, until the value goes.
pub(super) struct Page {
    published: Arc<Published>,
    objectives: ObjectivesByService,
    interval: Duration,
    _server: Server,
}

impl Page {
    /// Listens, where that is asked for. Only this machine is answered: there are no secrets here.
    pub(super) fn open(
        listen: Option<SocketAddr>,
        interval: Duration,
        ctx: &Ctx,
    ) -> Result<Option<Self>, CliError> {
        let Some(listen) = listen else { return Ok(None) };
        let published = Arc::new(Published::new(m5_report::html::page(None, None)));
        let options = WebOptions {
            listen,
            allowed_hosts: Vec::new(),
            access: Access::default(),
            tls: None,
            insecure: false,
            bounds: Bounds::default(),
        };
        let server = serve(&options, published.clone()).map_err(web_error)?;
        ctx.note(Serve::Listening, &[&"http", &server.address()]);
        Ok(Some(Self { published, objectives: objectives(ctx)?, interval, _server: server }))
    }

    /// Takes the objectives of settings that were read again.
    pub(super) fn reread(&mut self, ctx: &Ctx) -> Result<(), CliError> {
        self.objectives = objectives(ctx)?;
        Ok(())
    }

    /// There are new samples.
    pub(super) fn outdate(&self) {
        self.published.outdate();
    }

    /// Makes what was asked for.
    pub(super) fn fill(&self, pool: &Pool, watchdog: &Watchdog) {
        let all = || {
            let mut all = families(pool, false);
            all.extend(watchdog.families());
            all
        };
        let page = || {
            let page = m5_agent::page::live(pool, &self.objectives, self.interval);
            serde_json::to_string(&page).unwrap_or_default()
        };
        self.published.fill(self.interval * ROUNDS_KEPT, all, page);
    }

    /// What becomes readable when somebody asks for something that is still to be made.
    pub(super) fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.published.bell()
    }
}
