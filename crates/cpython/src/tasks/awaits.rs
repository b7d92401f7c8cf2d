//! What a task awaits: from its coroutine to the next, down to the future that nobody has filled in yet.

use super::{AsyncTask, Awaited, Gathers, TaskState};
use crate::layout::asyncio::TaskFields;
use crate::layout::objects::Frames;
use crate::layout::running::Executing;
use crate::stack::{PyFrame, Walk};
use m5_process::Memory;

/// Offsets that are the same in every version: the frame of a generator (up to 3.10), and what awaits for another.
const GENERATOR_FRAME: u64 = 16;
const INNER: u64 = 16;
/// Of a frame object: the end of its stack (up to 3.9), and where its stack begins (3.10).
const STACK_TOP: u64 = 72;
const STACK: u64 = 64;
/// Coroutines that await each other, and looks at a task, at most.
const DEEPEST: usize = 512;
const TRIES: usize = 8;

/// Objects with a frame of their own, and objects that only pass on to the one at [`INNER`].
const WITH_FRAME: [&str; 3] = ["coroutine", "generator", "async_generator"];
const PASSING: [&str; 4] =
    ["coroutine_wrapper", "async_generator_asend", "async_generator_athrow", "anext_awaitable"];

/// Reads tasks of one interpreter.
pub(super) struct Reader<M> {
    pub(super) walk: Walk<M>,
    pub(super) fields: TaskFields,
    pub(super) executing: Executing,
}

/// A generator's frame.
enum Frame {
    Executing(u64),
    Suspended(u64),
}

/// Everything about a task that one look saw.
#[derive(PartialEq)]
struct Look {
    task: AsyncTask,
    /// Where each frame is: equal only while nothing ran.
    moments: Vec<u64>,
}

impl<M: Memory> Reader<M> {
    /// The task at an address; `None` where it is done, or none.
    pub(super) fn task(&self, at: u64) -> Option<AsyncTask> {
        let mut before = self.look(at)?;
        for _ in 0..TRIES {
            let after = self.look(at)?;
            if after == before {
                return Some(before.task);
            }
            before = after;
        }
        Some(AsyncTask { torn: true, ..before.task })
    }

    fn is_c_task(&self, at: u64) -> bool {
        self.walk.values.is_a(at, "_asyncio.Task")
    }

    /// A field of a task, written in C or in Python.
    fn of_task(&self, at: u64, offset: u64, name: &str) -> Option<u64> {
        if self.is_c_task(at) {
            return self.walk.values.held(at, offset);
        }
        self.walk.values.attribute(at, name)
    }

    fn is_done(&self, at: u64) -> Option<bool> {
        let values = &self.walk.values;
        if values.is_a(at, "_asyncio.Future") || self.is_c_task(at) {
            return values
                .memory
                .i32(at.wrapping_add(self.fields.state + values.objects.shift()))
                .ok()
                .map(|state| state != 0);
        }
        Some(values.text(values.attribute(at, "_state")?)? != "PENDING")
    }

    fn name(&self, task: u64) -> Option<String> {
        let values = &self.walk.values;
        let name = self.of_task(task, self.fields.name, "_name")?;
        // A name that nobody asked for yet is a number.
        values.text(name).or_else(|| {
            let number = || values.int(name).map(|number| format!("Task-{number}"));
            (values.type_name(name).as_deref() == Some("int")).then(number)?
        })
    }

    fn look(&self, at: u64) -> Option<Look> {
        if self.is_done(at)? {
            return None;
        }
        let coroutine = self.of_task(at, self.fields.coroutine, "_coro")?;
        let waiter = self.of_task(at, self.fields.waiter, "_fut_waiter");
        let waiter = waiter.filter(|w| self.walk.values.type_name(*w).is_none_or(|name| name != "NoneType"));
        let (stack, moments, running) = self.chain(coroutine);
        let state = match (running, waiter) {
            (Some(_), _) => TaskState::Running,
            (None, Some(_)) => TaskState::Waiting,
            (None, None) => TaskState::Ready,
        };
        let awaits = waiter.and_then(|w| self.awaited(w));
        let name = self.name(at)?;
        Some(Look { task: AsyncTask { name, state, stack, awaits, torn: false, running }, moments })
    }

    /// Frames from the innermost to the coroutine's own, where each is, and the frame that runs.
    fn chain(&self, coroutine: u64) -> (Vec<PyFrame>, Vec<u64>, Option<u64>) {
        let (mut frames, mut moments, mut running) = (Vec::new(), Vec::new(), None);
        let mut next = Some(coroutine);
        while let Some(object) = next.filter(|_| frames.len() < DEEPEST) {
            let kind = self.walk.values.type_name(object).unwrap_or_default();
            if PASSING.contains(&kind.as_str()) {
                next = self.walk.values.held(object, INNER);
                continue;
            }
            if !WITH_FRAME.contains(&kind.as_str()) {
                break;
            }
            let frame = self.frame(object);
            let (Some(Frame::Executing(at) | Frame::Suspended(at)), false) = (&frame, running.is_some())
            else {
                break;
            };
            let Some((named, moment)) = self.walk.frame_at(*at) else { break };
            frames.push(named);
            moments.push(moment);
            next = match frame {
                Some(Frame::Suspended(at)) => self.top_of_stack(at),
                _ => None,
            };
            running = matches!(frame, Some(Frame::Executing(_))).then_some(*at);
        }
        frames.reverse();
        (frames, moments, running)
    }

    /// The frame of a coroutine or generator that has one.
    fn frame(&self, generator: u64) -> Option<Frame> {
        let values = &self.walk.values;
        let generator = generator.wrapping_add(values.objects.shift());
        let byte = |at: u64| values.memory.bytes::<1>(at).ok().map(|[b]| b.cast_signed());
        let (frame, executing) = match (values.objects.frames, self.executing) {
            (Frames::Interpreter(f), _) => {
                let state = byte(generator.wrapping_add(f.generator_state.into()))?;
                (state < f.generator_over).then_some(())?;
                (generator.wrapping_add(f.generator_frame.into()), state == f.generator_over - 1)
            }
            (Frames::Objects { .. }, executing) => {
                let frame = values.pointer(generator, GENERATOR_FRAME)?;
                let runs = match executing {
                    Executing::Generator(at) => byte(generator.wrapping_add(at))? != 0,
                    Executing::Frame(at) => byte(frame.wrapping_add(at))? == 0,
                    Executing::BeforeOver => false,
                };
                (frame, runs)
            }
        };
        Some(if executing { Frame::Executing(frame) } else { Frame::Suspended(frame) })
    }

    /// What lies on top of a suspended frame's stack: what it awaits, where it awaits anything.
    fn top_of_stack(&self, frame: u64) -> Option<u64> {
        let values = &self.walk.values;
        let count = |offset: u64| values.memory.i32(frame.wrapping_add(offset)).ok();
        let (first, above) = match values.objects.frames {
            Frames::Objects { depth: None, .. } => (values.pointer(frame, STACK_TOP)?, 0),
            Frames::Objects { depth: Some(depth), .. } => {
                (values.pointer(frame, STACK)?, u64::try_from(count(depth.into())?).ok()?)
            }
            Frames::Interpreter(f) if f.top_is_pointer => (values.pointer(frame, f.top.into())?, 0),
            Frames::Interpreter(f) => {
                (frame.wrapping_add(f.locals.into()), u64::try_from(count(f.top.into())?).ok()?)
            }
        };
        let end = first.wrapping_add(above.checked_mul(8)?);
        // Above it may lie an index, or the place of one (3.15).
        [8, 16].iter().find_map(|below| pointer(values.field(end.wrapping_sub(*below), 0)?))
    }

    fn awaited(&self, future: u64) -> Option<Awaited> {
        let values = &self.walk.values;
        let kind = values.type_name(future)?;
        let kind = kind.rsplit('.').next().unwrap_or_default().to_owned();
        let task = |at: u64| if kind_is_task(values, at) { self.name(at) } else { None };
        let children = || values.list(values.attribute(future, "_children")?);
        let gathers = children().map(|children| {
            let pending = children.iter().filter(|c| self.is_done(**c) == Some(false));
            Gathers { futures: children.len() as u64, pending: pending.filter_map(|c| task(*c)).collect() }
        });
        Some(Awaited { task: task(future), kind, gathers })
    }
}

/// The object that a slot of a stack refers to; the lowest bits mark numbers, and references that are not counted.
fn pointer(slot: u64) -> Option<u64> {
    (slot & 3 != 3 && slot & !7 != 0).then_some(slot & !7)
}

fn kind_is_task<M: Memory>(values: &crate::values::Values<M>, at: u64) -> bool {
    values.is_a(at, "_asyncio.Task") || values.attribute(at, "_coro").is_some()
}
