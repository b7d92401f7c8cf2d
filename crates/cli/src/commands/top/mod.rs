//! `m5 top`: the Python processes of this machine, live in the terminal.

mod color;
mod columns;
mod details;
mod input;
mod row;
mod state;
mod task;
mod view;

use crate::args::{Span, parse_pid};
use crate::ctx::Ctx;
use crate::error::CliError;
use crate::exit::Exit;
use crate::objectives::objectives;
use crate::signals::Stop;
use clap::Args;
use input::Input;
use m5_agent::derive::judge_watched;
use m5_agent::objectives::ObjectivesByService;
use m5_agent::pool::{Member, Pool, PoolOptions, Selection};
use m5_process::{Headroom, Identity, Process};
use m5_report::Lang;
use m5_report::texts::Top;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use row::{Judged, Row};
use state::{State, View};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};
use task::{Kind, Outcome, Task};

/// Arguments of `m5 top`.
#[derive(Debug, Args)]
pub(crate) struct TopArgs {
    /// Only this process; several times for several
    #[arg(short, long, value_name = "PID", value_parser = parse_pid)]
    pid: Vec<i32>,
    /// The same without `-p`
    #[arg(value_name = "PID", value_parser = parse_pid)]
    positional: Vec<i32>,
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
/// Lines of a page.
const PAGE: isize = 20;

pub(crate) fn run(args: &TopArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    if !(std::io::stdout().is_terminal() && std::io::stdin().is_terminal()) {
        return Err(CliError::NoTerminal);
    }
    let objectives = objectives(ctx)?;
    let pids = args.pid.iter().chain(&args.positional);
    let processes = pids.map(|pid| Ok(Process::open(*pid)?.identity())).collect::<Result<_, CliError>>()?;
    let stop = Stop::listen();
    let selection = Selection { processes, names: args.name.clone() };
    let mut pool = Pool::new(PoolOptions { selection, max_overhead: Some(0.01), traced: 64, limit: None });
    // Restores the terminal also where something panics.
    let mut terminal = ratatui::init();
    let result = Screen::new(ctx.lang, ctx.color, objectives).run(args, &mut pool, &stop, &mut terminal);
    ratatui::restore();
    result.map_err(|e| CliError::Kernel { message: e.to_string() })?;
    Ok(Exit::Fine)
}

struct Screen {
    state: State,
    color: bool,
    task: Option<Task>,
    /// What runs was begun to renew what is shown.
    renews: bool,
    objectives: ObjectivesByService,
    /// The tightest memory limit around each process, which seldom moves and takes many files to find.
    limits: BTreeMap<Identity, Option<u64>>,
}

impl Screen {
    fn new(lang: Lang, color: bool, objectives: ObjectivesByService) -> Self {
        Self {
            state: State::new(lang),
            color,
            task: None,
            renews: false,
            objectives,
            limits: BTreeMap::new(),
        }
    }

    fn rows(&mut self, pool: &Pool) -> Vec<Row> {
        let members = pool.members();
        let known: Vec<Identity> = members.iter().map(|m| m.identity()).collect();
        self.limits.retain(|identity, _| known.contains(identity));
        let row = |member: &Member| {
            let find = || Headroom::of(member.identity().pid).tightest();
            let limit = *self.limits.entry(member.identity()).or_insert_with(find);
            let (objectives, from) = self.objectives.of(member.service());
            let judged = Judged { criteria: judge_watched(member, limit, objectives), from };
            Row::of(member, judged)
        };
        members.into_iter().map(row).collect()
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
                let rows = self.rows(pool);
                self.take(rows);
            }
            pool.drain();
            self.end_renewal();
            self.follow_task();
            terminal.draw(|frame| view::draw(frame, &self.state, self.color))?;
            match input::next(STEP)? {
                Input::Event(Event::Key(key)) if key.kind == KeyEventKind::Press => self.key(key),
                Input::HungUp => break,
                _ => {}
            }
        }
        Ok(())
    }

    fn take(&mut self, rows: Vec<Row>) {
        let lives = |(pid, start): (i32, u64)| {
            let process = Process::open(pid).ok().filter(|p| p.identity().start_ticks == start && p.alive());
            process.map(|p| p.pid())
        };
        let executed: Vec<i32> = self.state.changed(&rows).into_iter().filter_map(lives).collect();
        self.state.executed(&executed);
        self.state.take(rows);
    }

    fn key(&mut self, key: KeyEvent) {
        let state = &mut self.state;
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            state.quit = true;
            return;
        }
        // What was said of the last command has been read.
        if self.task.is_none() {
            state.message.clear();
        }
        if state.typing {
            return match key.code {
                KeyCode::Char(letter) => state.type_filter(Some(letter)),
                KeyCode::Backspace => state.type_filter(None),
                KeyCode::Enter => state.end_filter(true),
                KeyCode::Esc => state.end_filter(false),
                _ => {}
            };
        }
        match key.code {
            KeyCode::Char('q') => state.quit = true,
            KeyCode::Char('?' | 'h') => state.view = View::Help,
            KeyCode::Char('/') => (state.view, state.typing) = (View::List, true),
            KeyCode::Char('s') => state.sort_next(1),
            KeyCode::Char('S') => state.sort_next(-1),
            KeyCode::Char('v') => state.tree = !state.tree,
            KeyCode::Char('l') => state.other_language(),
            KeyCode::Char('t') => self.start(Kind::Snapshot),
            KeyCode::Char('d') => self.start(Kind::Diff),
            KeyCode::Char('g') => self.start(Kind::Gc),
            KeyCode::Char('a') => self.start(Kind::Alloc),
            KeyCode::Char('e') => self.start(Kind::Stalls),
            KeyCode::Up | KeyCode::Char('k') => state.choose(-1),
            KeyCode::Down | KeyCode::Char('j') => state.choose(1),
            KeyCode::PageUp => state.choose(-PAGE),
            KeyCode::PageDown => state.choose(PAGE),
            KeyCode::Enter if state.view == View::List => state.view = View::Details,
            KeyCode::Esc => state.back(),
            _ => {}
        }
    }

    fn start(&mut self, kind: Kind) {
        if self.renews {
            (self.task, self.renews) = (None, false);
        }
        let state = &mut self.state;
        let Some(pid) = state.chosen().map(|row| row.pid).filter(|_| self.task.is_none()) else { return };
        state.message = match Task::start(kind, pid, state.lang) {
            Ok(task) => {
                self.task = Some(task);
                let running = match kind {
                    Kind::Snapshot => Top::Taking,
                    Kind::Diff => Top::Comparing,
                    Kind::Gc => Top::Timing,
                    Kind::Alloc => Top::Sampling,
                    Kind::Stalls => Top::Turning,
                };
                state.lang.fill(running, &[&pid])
            }
            Err(error) => state.lang.fill(Top::Failed, &[&error]),
        };
    }

    /// What is no longer looked at is not renewed.
    fn end_renewal(&mut self) {
        if self.renews && self.state.view != View::Output {
            (self.task, self.renews) = (None, false);
            self.state.message.clear();
        }
    }

    fn renew(&mut self, kind: Kind, pid: i32) {
        let state = &mut self.state;
        self.task = Task::start(kind, pid, state.lang).ok();
        self.renews = self.task.is_some();
        if self.renews {
            state.message = state.lang.say(Top::Renewing).to_owned();
        }
    }

    fn follow_task(&mut self) {
        let Some(outcome) = self.task.as_mut().and_then(Task::ended) else { return };
        let Some(Task { kind, pid, ref file, .. }) = self.task else { return };
        let (file, renewed) = (file.clone(), self.renews);
        (self.task, self.renews) = (None, false);
        let state = &mut self.state;
        state.message.clear();
        match outcome {
            Outcome::Failed(why) => state.message = state.lang.fill(Top::Failed, &[&why]),
            Outcome::Done(document) if kind == Kind::Snapshot => {
                state.message = state.lang.fill(Top::Took, &[&file]);
                state.holders = task::holders(&document, state.lang).map(|text| (pid, text));
                state.chosen = Some(pid);
                state.view = View::Details;
            }
            Outcome::Done(text) => {
                if renewed {
                    state.renew_output(text);
                } else {
                    state.show_output(text);
                }
                if kind.live() {
                    self.renew(kind, pid);
                }
            }
        }
    }
}
