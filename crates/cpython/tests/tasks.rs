//! Tasks, names and the interpreter's lock against what the target itself says of them, on every interpreter found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use m5_cpython::{AsyncTask, Gil, Interpreter, TaskState, living_threads};
use m5_process::Process;
use m5_testkit::{Python, Target, all_pythons, free_threaded_pythons, pythons};
use std::collections::BTreeMap;

/// Two loops in two threads, each with tasks that wait in every way there is; then the truth, as the target sees it.
const PROGRAM: &str = r#"
import asyncio, sys, threading, types, json

@types.coroutine
def by_generator(future):
    return (yield from future)

async def leaf(future):
    await future

async def through_generator(future):
    await by_generator(future)

async def numbers(future):
    await leaf(future)
    yield 1

async def over_generator(future):
    async for _ in numbers(future):
        pass

class Wrapped:
    def __init__(self, future): self.future = future
    def __await__(self):
        return self.future.__await__()

async def by_object(future):
    await Wrapped(future)

async def deep(depth, future):
    if depth:
        await deep(depth - 1, future)
    else:
        await leaf(future)

async def for_task(task):
    await task

async def gathers(*tasks):
    await asyncio.gather(*tasks)

async def 等待(future):
    await asyncio.wait_for(asyncio.shield(future), 1000)

async def turns():
    while True:
        await asyncio.sleep(0)

class Own(asyncio.Task):
    "A task of one's own class."

def named(coroutine, name, loop):
    task = Own(coroutine, loop=loop) if name == 'own' else loop.create_task(coroutine)
    if name is not None: task.set_name(name)
    return task

def chain(coroutine):
    rows = []
    while coroutine is not None:
        for prefix in ('cr', 'gi', 'ag'):
            frame = getattr(coroutine, prefix + '_frame', None)
            if frame is not None:
                rows.append([getattr(frame.f_code, 'co_qualname', frame.f_code.co_name), frame.f_lineno])
                coroutine = getattr(coroutine, {'cr': 'cr_await', 'gi': 'gi_yieldfrom', 'ag': 'ag_await'}[prefix])
                break
        else:
            # What has no attribute that leads on, but knows the generator behind it.
            import gc
            inner = [o for o in gc.get_referents(coroutine)
                     if isinstance(o, (types.AsyncGeneratorType, types.CoroutineType))]
            coroutine = inner[0] if inner and type(coroutine).__name__ != 'FutureIter' else None
    return rows[::-1]

ready = threading.Barrier(3)

async def service(tag, told):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    kinds = dict(leaf=leaf, generator=through_generator, agen=over_generator, object=by_object, own=leaf)
    tasks = [named(make(future), tag + kind if kind != 'own' else 'own', loop) for kind, make in kinds.items()]
    tasks.append(named(deep(20, future), tag + 'deep', loop))
    tasks.append(named(等待(future), tag + '名', loop))
    tasks.append(named(leaf(future), None, loop))
    tasks.append(named(for_task(tasks[0]), tag + 'task', loop))
    tasks.append(named(gathers(tasks[0], tasks[1]), tag + 'gather', loop))
    tasks.append(named(turns(), tag + 'turns', loop))
    for _ in range(5):
        await asyncio.sleep(0)
    # From here on this thread stands still: this task runs, the others wait.
    asyncio.current_task().set_name(tag + 'main')
    rows = {}
    for task in asyncio.all_tasks():
        rows[task.get_name() + ('@' + tag if task.get_name() == 'own' else '')] = chain(task.get_coro())
    told.update(rows)
    ready.wait()
    gate.acquire()

gate = threading.Lock(); gate.acquire()
told = [{}, {}]
workers = [threading.Thread(target=lambda i=i: asyncio.new_event_loop().run_until_complete(service('abc'[i], told[i])),
                            name='循环-%d' % i, daemon=True) for i in range(2)]
for worker in workers: worker.start()
ready.wait()
print(json.dumps({k: v for rows in told for k, v in rows.items()}), flush=True)
print(json.dumps([t.name for t in threading.enumerate()]), flush=True)
sys.stdin.readline()
"#;

/// Functions and lines, innermost first.
type Rows = Vec<(String, u32)>;

fn truth(target: &mut Target) -> (BTreeMap<String, Rows>, Vec<String>) {
    let rows = serde_json::from_str(&target.line()).unwrap();
    (rows, serde_json::from_str(&target.line()).unwrap())
}

fn check(python: &Python) {
    let mut target = Target::start(python, PROGRAM);
    let (truth, mut names) = truth(&mut target);
    let process = Process::open(target.pid()).unwrap();
    let interpreter = Interpreter::attach(&process).unwrap();
    let seen = interpreter.tasks(&process).unwrap();
    assert!(seen.used && seen.unread == 0, "{}: {seen:?}", python.name);
    let mut own = ["own@a", "own@b"].into_iter();
    let mut by_name: BTreeMap<String, &AsyncTask> = BTreeMap::new();
    for task in &seen.tasks {
        assert!(!task.torn, "{}: {task:?}", python.name);
        let name = if task.name == "own" { own.next().unwrap().to_owned() } else { task.name.clone() };
        by_name.insert(name, task);
    }
    let listed: Vec<&String> = by_name.keys().collect();
    assert_eq!(listed, truth.keys().collect::<Vec<_>>(), "{}", python.name);
    for (name, rows) in &truth {
        let task = by_name[name];
        let stack: Rows = task.stack.iter().map(|f| (f.function.clone(), f.line.unwrap())).collect();
        if name.ends_with("main") {
            // It went on from the line where it told the truth.
            assert_eq!((task.state, stack.len()), (TaskState::Running, 1), "{}: {task:?}", python.name);
            continue;
        }
        assert_eq!(&stack, rows, "{} {name}", python.name);
        let awaits = task.awaits.as_ref();
        match name.get(1..).unwrap() {
            "turns" => assert_eq!((task.state, awaits), (TaskState::Ready, None), "{}", python.name),
            "task" => assert_eq!(awaits.unwrap().task.as_deref(), Some(&*format!("{}leaf", &name[..1]))),
            "gather" => {
                let gathers = awaits.unwrap().gathers.as_ref().unwrap();
                assert_eq!((gathers.futures, gathers.pending.len()), (2, 2), "{}: {task:?}", python.name);
            }
            _ => assert_eq!(task.state, TaskState::Waiting, "{} {name}", python.name),
        }
    }
    // Threads: the names that Python gave them, and stacks of threads that stand still are whole.
    let mut seen_names: Vec<String> = interpreter.thread_names().unwrap().into_values().collect();
    seen_names.sort();
    names.sort();
    assert_eq!(seen_names, names, "{}", python.name);
    let stacks = interpreter.stacks();
    for thread in interpreter.threads().unwrap() {
        let stack = stacks.of(thread.address, 512);
        assert!(!stack.torn && !stack.deeper && !stack.frames.is_empty(), "{}: {stack:?}", python.name);
        let runs: Vec<_> = seen.tasks.iter().filter(|t| t.runs_on(&stack)).collect();
        let service = stack.frames.iter().any(|f| f.function == "service");
        assert_eq!(runs.len(), usize::from(service), "{}", python.name);
    }
    // All of them wait in C without the lock.
    let lock = if python.free_threaded { Gil::Absent } else { Gil::Free };
    assert_eq!(interpreter.gil().unwrap(), lock, "{}", python.name);
    println!("tasks agree with asyncio.all_tasks: {}", python.name);
}

#[test]
fn tasks_agree_with_what_the_target_says() {
    for python in all_pythons().into_iter().chain(free_threaded_pythons()) {
        check(&python);
    }
}

/// A thread in a loop that nothing interrupts holds the lock; its stack is what stood still of it.
#[test]
fn the_holder_of_the_lock_is_the_thread_that_computes() {
    const BUSY: &str = "
import sys, threading
sys.setswitchinterval(1000)
def f(n): return n if n == 0 else f(n - 1)
def outer():
    while True: f(20)
worker = threading.Thread(target=outer, daemon=True)
print(threading.get_native_id(), flush=True)
def main():
    worker.start()
    threading.Event().wait()
main()
";
    for python in pythons() {
        let mut target = Target::start(&python, BUSY);
        let main: i32 = target.line().parse().unwrap();
        let process = Process::open(target.pid()).unwrap();
        let interpreter = Interpreter::attach(&process).unwrap();
        let held = |gil| match gil {
            Gil::Held(state) => {
                let states = interpreter.thread_states(&living_threads(&process).unwrap()).unwrap();
                states.iter().find(|(_, at)| *at == state).map(|(tid, _)| *tid).filter(|tid| *tid != main)
            }
            _ => None,
        };
        let worker = loop {
            if let Some(tid) = held(interpreter.gil().unwrap()) {
                break tid;
            }
            std::thread::yield_now();
        };
        assert!(process.threads().unwrap().contains(&worker));
        let states = interpreter.thread_states(&living_threads(&process).unwrap()).unwrap();
        let state = states.iter().find(|(tid, _)| *tid == worker).unwrap().1;
        // A stack that changes all the time is read until its outer end was seen. Torn or not, no frame is invented:
        // inside `outer` there is only `f`.
        let mut stacks = (0..10_000).map(|_| interpreter.stacks().of(state, 512));
        let whole = stacks.find_map(|s| Some((s.frames.iter().rposition(|f| f.function == "outer")?, s)));
        let (outer, stack) = whole.unwrap_or_else(|| panic!("{}: never saw `outer`", python.name));
        assert!(stack.frames[..outer].iter().all(|f| f.function == "f"), "{}: {stack:?}", python.name);
    }
}
