//! What to call a process: its systemd unit, the script or module that it runs, or, of a worker, what its parent is
//! called. Never its arguments or environment: those hold secrets.

use m5_process::Process;

/// Letters and bytes of a name that are kept.
const LONGEST: usize = 64;
const MOST_BYTES: usize = 128;
/// Parents above a worker that are asked for a name.
const PARENTS: usize = 8;
/// What a program that has no other name is called.
const NAMELESS: &str = "python";

/// Parts of `-c` and `-m` that make a helper of another process, and what it is called.
const HELPERS: &[(&str, &str)] = &[
    ("multiprocessing.spawn", "worker"),
    ("multiprocessing.forkserver", "forkserver"),
    ("multiprocessing.resource_tracker", "resource_tracker"),
    ("multiprocessing.semaphore_tracker", "resource_tracker"),
    ("loky.backend.popen_loky", "worker"),
    ("loky.backend.resource_tracker", "resource_tracker"),
    ("torch._inductor.compile_worker", "worker"),
];

/// What a command line says of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Called {
    /// A name of its own.
    Own(String),
    /// It helps its parent.
    Helper(&'static str),
}

/// The name of the service that a process belongs to; a worker of another process is called `NAME/worker`.
#[must_use]
pub fn service_name(process: &Process) -> String {
    let unit = process.cgroup_text().and_then(|text| unit(&text));
    unit.unwrap_or_else(|| called(process, PARENTS))
}

fn called(process: &Process, parents: usize) -> String {
    let command = process.command().unwrap_or_default();
    let parent = || {
        let parent = Process::open(process.stat().ok()?.ppid).ok().filter(|p| parents > 0 && p.pid() > 1)?;
        Some((parent.command().ok().filter(|words| !words.is_empty())?, parent))
    };
    // A copy of its parent does what its parent is called after: the child of a fork server is a worker, and no server.
    if let Some((words, parent)) = parent()
        && words == command
        && parent.program() == process.program()
    {
        return below(&called(&parent, parents - 1), "worker");
    }
    match of_command(&command) {
        Called::Own(name) => name,
        Called::Helper(role) => {
            let above = parent().map(|(_, parent)| called(&parent, parents - 1));
            below(&above.unwrap_or_else(|| NAMELESS.to_owned()), role)
        }
    }
}

/// A helper's name: workers of a fork server are workers of its service.
fn below(above: &str, role: &str) -> String {
    let service = above.split('/').next().unwrap_or(above);
    format!("{service}/{role}")
}

/// The unit in the text of `/proc/PID/cgroup`; user sessions and slices are none.
fn unit(cgroup: &str) -> Option<String> {
    let last = cgroup.lines().filter_map(|l| l.rsplit('/').next()).find(|n| n.ends_with(".service"))?;
    let name = last.strip_suffix(".service")?;
    (!name.starts_with("user@") && !name.is_empty()).then(|| clean(name))
}

/// The script or module of a Python command line, as a process alone is called.
#[must_use]
pub fn from_command(command: &[String]) -> String {
    match of_command(command) {
        Called::Own(name) => name,
        Called::Helper(role) => below(NAMELESS, role),
    }
}

fn of_command(command: &[String]) -> Called {
    let mut arguments = command.iter();
    let program = arguments.next().map_or("", |p| program_name(p));
    let own = |name: &str| Called::Own(clean(name));
    if !is_python(program) {
        // A program with Python in it: its arguments are its own.
        return own(if program.is_empty() { NAMELESS } else { program });
    }
    while let Some(argument) = arguments.next() {
        let Some(flags) = argument.strip_prefix('-') else { return own(script_name(argument)) };
        if flags.is_empty() {
            return own(NAMELESS);
        }
        // Letters may be written together; those that take a value take the rest, or the next word.
        let value = |at: usize| flags.get(at + 1..).filter(|rest| !rest.is_empty()).map(str::to_owned);
        let taker = flags.find(['m', 'c', 'X', 'W']).filter(|_| !flags.starts_with('-'));
        let Some(at) = taker else { continue };
        let value = value(at).or_else(|| arguments.next().cloned()).unwrap_or_default();
        match flags.as_bytes().get(at) {
            Some(b'm') => return helper(&value).map_or_else(|| own(&value), Called::Helper),
            Some(b'c') => return helper(&value).map_or_else(|| own(NAMELESS), Called::Helper),
            _ => {}
        }
    }
    own(program)
}

fn helper(text: &str) -> Option<&'static str> {
    HELPERS.iter().find(|(part, _)| text.contains(part)).map(|(_, role)| *role)
}

fn is_python(program: &str) -> bool {
    program.starts_with("python") || program.starts_with("pypy") || program.is_empty()
}

/// The program's own name; what it writes over its command line (`gunicorn: master [app]`) begins with it.
fn program_name(word: &str) -> &str {
    let word = word.split([' ', ':']).next().unwrap_or(word);
    base(word)
}

fn script_name(path: &str) -> &str {
    let name = base(path);
    let parent = || path.rsplit('/').filter(|p| !p.is_empty()).nth(1).unwrap_or(name);
    match name {
        "__main__.py" => parent(),
        name => name.strip_suffix(".py").unwrap_or(name),
    }
}

fn base(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

/// Bounded, and of letters of any script and characters that need no thought in labels and pages.
fn clean(name: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || "-_.@".contains(c) { c } else { '_' };
    let mut out = String::new();
    for c in name.chars().take(LONGEST).map(keep) {
        if out.len() + c.len_utf8() > MOST_BYTES {
            break;
        }
        out.push(c);
    }
    if out.is_empty() { NAMELESS.to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(words: &str) -> String {
        from_command(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn commands() {
        assert_eq!(of("python3 -u /srv/app/main.py --token s3cret"), "main");
        assert_eq!(of("/usr/bin/python3 -X dev -m trading_engine --seed 1"), "trading_engine");
        assert_eq!(of("python -Xdev -um trading_engine"), "trading_engine");
        assert_eq!(of("python -Im trading_engine -c x"), "trading_engine");
        assert_eq!(of("python -Werror -mtrading_engine"), "trading_engine");
        assert_eq!(of("python --check-hash-based-pycs main.py"), "main");
        assert_eq!(of("python /usr/bin/gunicorn app:app"), "gunicorn");
        assert_eq!(of("python examples/trading_engine/"), "trading_engine");
        assert_eq!(of("python pkg/__main__.py"), "pkg");
        assert_eq!(of("python -c secret"), "python");
        assert_eq!(of("python3.12 -"), "python");
        assert_eq!(of("python3.12"), "python3.12");
        assert_eq!(of(""), "python");
    }

    #[test]
    fn any_script() {
        assert_eq!(of("python 交易/引擎.py"), "引擎");
        assert_eq!(of("python -m 策略"), "策略");
        assert_eq!(of("python zähler.py"), "zähler");
        assert_eq!(of("python a\u{202e}b\u{7}\"{}.py"), "a_b____");
        let long = of(&format!("python {}.py", "引".repeat(100)));
        assert!(long.len() <= MOST_BYTES && long.starts_with('引'), "{long}");
    }

    #[test]
    fn programs_with_python_in_them_keep_their_name() {
        assert_eq!(of("uwsgi --http :80 --wsgi-file app.py"), "uwsgi");
        assert_eq!(of("/opt/blender/blender -b scene.blend -P render.py"), "blender");
        assert_eq!(of("/usr/bin/trader 7203.T"), "trader");
        assert_eq!(from_command(&["gunicorn: master [app]".to_owned()]), "gunicorn");
    }

    #[test]
    fn helpers_are_called_after_whom_they_help() {
        let words = |text: &str| vec!["/usr/bin/python3".to_owned(), "-c".to_owned(), text.to_owned()];
        let spawned = "from multiprocessing.spawn import spawn_main; spawn_main(tracker_fd=5, pipe_handle=7)";
        assert_eq!(of_command(&words(spawned)), Called::Helper("worker"));
        let tracker = "from multiprocessing.resource_tracker import main;main(4)";
        assert_eq!(of_command(&words(tracker)), Called::Helper("resource_tracker"));
        assert_eq!(below("app", "worker"), "app/worker");
        assert_eq!(below("app/forkserver", "worker"), "app/worker");
    }

    #[test]
    fn units() {
        assert_eq!(unit("0::/system.slice/trading-engine.service"), Some("trading-engine".into()));
        assert_eq!(unit("0::/user.slice/user-0.slice/user@0.service"), None);
        assert_eq!(unit("0::/"), None);
    }

    proptest! {
        #[test]
        fn any_command_has_a_short_name_of_one_word(words in proptest::collection::vec("\\PC{0,40}", 0..6)) {
            let name = from_command(&words);
            prop_assert!(!name.is_empty() && name.len() <= MOST_BYTES + 20);
            prop_assert!(!name.contains(|c: char| c.is_whitespace() || c.is_control() || "\"\\\n".contains(c)));
        }
    }
}
