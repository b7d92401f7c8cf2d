//! `m5 top`: the Python processes of this machine, live in the terminal.

mod state;
mod view;

use crate::args::Span;
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::signals::Stop;
use clap::Args;
use m5_agent::pool::{Pool, PoolOptions, Selection};
use m5_report::Lang;
use m5_report::texts::Top;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use state::{Row, State};
use std::io::IsTerminal;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Arguments of `m5 top`.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Only services whose name matches (`*` and `?`)
    #[arg(long, value_name = "GLOB")]
    name: Vec<String>,
    /// Time between samples
    #[arg(long, default_value = "1s", env = "M5_INTERVAL")]
    interval: Span,
}

/// Time between two looks at the keys.
const STEP: Duration = Duration::from_millis(100);
/// Rounds of samples between two looks for new processes.
const DISCOVER: u32 = 5;

pub(crate) fn run(args: &TopArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    if !(std::io::stdout().is_terminal() && std::io::stdin().is_terminal()) {
        return Err(CliError::NoTerminal);
    }
    let stop = Stop::listen();
    let selection = Selection { processes: Vec::new(), names: args.name.clone() };
    let mut pool = Pool::new(PoolOptions { selection, max_overhead: Some(0.01), traced: 64, limit: None });
    // Restores the terminal also where something panics.
    let mut terminal = ratatui::init();
    let result = Screen::new(ctx.lang, ctx.color).run(args, &mut pool, &stop, &mut terminal);
    ratatui::restore();
    result.map_err(|e| CliError::Kernel { message: e.to_string() })?;
    Ok(Exit::Fine)
}

struct Screen {
    state: State,
    color: bool,
    snapshot: Option<(i32, Child, String)>,
}

impl Screen {
    fn new(lang: Lang, color: bool) -> Self {
        Self { state: State::new(lang), color, snapshot: None }
    }

    fn run(
        &mut self,
        args: &TopArgs,
        pool: &mut Pool,
        stop: &Stop,
        terminal: &mut ratatui::DefaultTerminal,
    ) -> std::io::Result<()> {
        let mut sampled: Option<Instant> = None;
        let mut round = 0_u32;
        while !stop.asked() && !self.state.quit {
            if sampled.is_none_or(|at| at.elapsed() >= args.interval.0) {
                if round.is_multiple_of(DISCOVER) {
                    pool.refresh();
                }
                round += 1;
                sampled = Some(Instant::now());
                pool.sample(4);
                self.state.take(pool.members().into_iter().map(Row::of).collect());
            }
            pool.drain();
            self.follow_snapshot();
            terminal.draw(|frame| view::draw(frame, &self.state, self.color))?;
            if event::poll(STEP)?
                && let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
            {
                self.key(key);
            }
        }
        Ok(())
    }

    fn key(&mut self, key: KeyEvent) {
        let state = &mut self.state;
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => state.quit = true,
            KeyCode::Char('q') => state.quit = true,
            KeyCode::Char('s') => state.sort_next(),
            KeyCode::Char('l') => state.other_language(),
            KeyCode::Char('t') => self.take_snapshot(),
            KeyCode::Up | KeyCode::Char('k') => state.choose(-1),
            KeyCode::Down | KeyCode::Char('j') => state.choose(1),
            KeyCode::Enter => state.open = true,
            KeyCode::Esc => state.open = false,
            _ => {}
        }
    }

    /// Another m5 takes it, so that the screen goes on.
    fn take_snapshot(&mut self) {
        let Some(pid) = self.state.chosen().map(|row| row.pid) else { return };
        if self.snapshot.is_some() {
            return;
        }
        let file = format!("m5-{pid}-{}.m5snap", m5_process::unix_ns() / 1_000_000_000);
        let started = std::env::current_exe().and_then(|m5| {
            let mut command = Command::new(m5);
            command.args(["snapshot", "-p", &pid.to_string(), "--save", &file]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        });
        self.state.message = match started {
            Ok(child) => {
                self.snapshot = Some((pid, child, file));
                self.state.lang.fill(Top::Taking, &[&pid])
            }
            Err(error) => self.state.lang.fill(Top::Failed, &[&error]),
        };
    }

    fn follow_snapshot(&mut self) {
        let Some((_, child, file)) = &mut self.snapshot else { return };
        let lang = self.state.lang;
        let message = match child.try_wait() {
            Ok(None) => return,
            Ok(Some(status)) if status.success() => lang.fill(Top::Took, &[file]),
            Ok(Some(status)) => lang.fill(Top::Failed, &[&status]),
            Err(error) => lang.fill(Top::Failed, &[&error]),
        };
        self.state.message = message;
        self.snapshot = None;
    }
}
