//! `m5 alloc`: which lines allocate.

use crate::args::{Format, Span, TargetArgs, forms, parse_ratio};
use crate::ctx::Ctx;
use crate::error::{CliError, of_kernel};
use crate::exit::Exit;
use crate::signals::Stop;
use clap::Args;
use m5_kernel::{AllocProfile, AllocSampler, CollectionSampler, Error};
use m5_process::{Process, monotonic_ns, unix_ns};
use m5_report::alloc::{ALLOC_SCHEMA, AllocDoc, folded, html, pprof, speedscope, text};
use std::time::Duration;

/// The budget is a share of the time that the target runs, which counts as this share of all time at least.
const LEAST_RUN: f64 = 0.01;
/// Longest time without a look at whether somebody asked to stop.
const STEP: Duration = Duration::from_millis(200);

/// Arguments of `m5 alloc`.
#[derive(Debug, Args)]
#[command(after_help = "\
A breakpoint on the object allocator runs a small program in the kernel, in random short windows, as many as \
--max-overhead bears; nothing is stopped or written. Needs Linux 5.15 (on 64-bit Arm 6.6), CAP_BPF and CAP_PERFMON; without them the \
stacks at the starts of young collections are read, which see lines that make tracked objects, and no bytes. SURVIVE says \
how many of a line's sampled objects lived at the latest age that enough of them reached; with a sign where their type \
has a free list, so that some may have been handed on to another line.")]
pub(crate) struct AllocArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How long to watch; Ctrl-C ends earlier and keeps what was seen
    #[arg(short, long, default_value = "1m", env = "M5_DURATION")]
    duration: Span,
    /// The most that watching may take of the target's time
    #[arg(long, value_name = "SHARE", default_value = "1%", value_parser = parse_ratio, env = "M5_MAX_OVERHEAD")]
    max_overhead: f64,
    /// Follow what survives of each line's sampled objects, on trial. Texts and blocks that are no objects (items of lists,
    /// keys of dicts) are not followed
    #[arg(long)]
    survival: bool,
    /// Lines to show
    #[arg(long, value_name = "N", default_value_t = 20, env = "M5_TOP")]
    top: usize,
}

/// The best source that is allowed.
enum Sampler {
    Kernel(Box<AllocSampler>),
    Collections(Box<CollectionSampler>),
}

impl Sampler {
    /// Where the kernel refuses its programs, collections tell; where they cannot either, it is the kernel that is told of.
    fn attach(process: &Process, args: &AllocArgs) -> Result<Self, Error> {
        let refused = match AllocSampler::attach(process, args.max_overhead, LEAST_RUN, args.survival) {
            Ok(sampler) => return Ok(Self::Kernel(Box::new(sampler))),
            Err(error @ (Error::Refused { .. } | Error::Verifier { .. } | Error::Unsupported(_))) => error,
            Err(error) => return Err(error),
        };
        match CollectionSampler::attach(process, args.max_overhead, &refused) {
            Ok(sampler) => Ok(Self::Collections(Box::new(sampler))),
            Err(_) => Err(refused),
        }
    }

    fn step(&mut self, until_ns: u64) -> Result<bool, Error> {
        match self {
            Self::Kernel(sampler) => {
                let left = sampler.step(until_ns)?;
                if let Some((other, _)) = sampler.instead() {
                    *self = Self::Collections(Box::new(other));
                }
                Ok(left)
            }
            Self::Collections(sampler) => sampler.step(until_ns),
        }
    }

    fn finish(self) -> Result<AllocProfile, Error> {
        match self {
            Self::Kernel(sampler) => sampler.finish(),
            Self::Collections(sampler) => Ok(sampler.finish()),
        }
    }
}

pub(crate) fn run(args: &AllocArgs, ctx: &Ctx) -> Result<Exit, CliError> {
    let format = ctx.format_among(forms::ALLOC)?;
    let (process, _launched) = crate::target::one(&args.target, ctx)?;
    let pid = process.pid();
    let taken_at = unix_ns() as f64 / 1e9;
    let fault = |error| of_kernel(pid, error);
    let mut sampler = Sampler::attach(&process, args).map_err(fault)?;
    ctx.looked.whole()?;
    let stop = Stop::listen();
    let end = monotonic_ns().saturating_add(args.duration.0.as_nanos() as u64);
    while !stop.asked() && monotonic_ns() < end {
        let until = end.min(monotonic_ns() + STEP.as_nanos() as u64);
        // The breakpoints go with the program that they were set in.
        if !sampler.step(until).map_err(fault)? || ctx.looked.replaced_seconds().is_some() {
            break;
        }
    }
    let re_executed_seconds = ctx.looked.replaced_seconds();
    let profile = sampler.finish().map_err(fault)?;
    let doc = AllocDoc { schema: ALLOC_SCHEMA.to_owned(), pid, taken_at, re_executed_seconds, profile };
    match format {
        Format::Folded => ctx.emit(&folded(&doc))?,
        Format::Pprof => ctx.emit_with(|out| out.write_all(&pprof(&doc)?))?,
        Format::Speedscope => ctx.emit_document(true, &speedscope(&doc), |_| String::new())?,
        Format::Html => {
            let page = html(&doc, ctx.lang).map_err(|e| CliError::Kernel { message: e.to_string() })?;
            ctx.emit_with(|out| out.write_all(page.as_bytes()))?;
        }
        _ => ctx.emit_document(format == Format::Json, &doc, |style| text(&doc, args.top, style))?,
    }
    Ok(if doc.profile.samples == 0 { Exit::Incomplete } else { Exit::Fine })
}
