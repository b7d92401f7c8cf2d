//! What to call a process: its systemd unit, the application that a server was told to run, the script or module that it
//! runs, or, of a worker, what its parent is called. Never its other arguments or its environment: those hold secrets.

mod launchers;
mod pattern;

pub(crate) use pattern::name_matches;

use launchers::{Title, application, launcher, title};
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

/// What a process is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceNames {
    /// Its name in every report, label and file.
    pub service: String,
    /// After the program that launched its application (`uvicorn`), where it is called after that application.
    pub launched: Option<String>,
}

impl ServiceNames {
    /// Whether one of them matches a pattern of `*` and `?`: who knows only what was started finds it by that.
    #[must_use]
    pub fn matches(&self, pattern: &str) -> bool {
        std::iter::once(&self.service).chain(&self.launched).any(|name| name_matches(pattern, name))
    }

    /// Whether one of these patterns matches; all names do where there is none.
    #[must_use]
    pub fn fits(&self, patterns: &[String]) -> bool {
        patterns.is_empty() || patterns.iter().any(|pattern| self.matches(pattern))
    }

    fn own(name: &str) -> Self {
        Self { service: clean(name), launched: None }
    }

    fn of_application(name: &str, launcher: &str) -> Self {
        Self { service: clean(name), launched: Some(launcher.to_owned()) }
    }

    /// Those of its helper.
    fn below(&self, role: &str) -> Self {
        Self { service: below(&self.service, role), launched: self.launched.as_ref().map(|l| below(l, role)) }
    }
}

/// What a command line says of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Called {
    /// A name of its own.
    Own(ServiceNames),
    /// It helps its parent.
    Helper(&'static str),
}

/// The name of the service that a process belongs to; a worker of another process is called `NAME/worker`.
#[must_use]
pub fn service_name(process: &Process) -> String {
    service_names(process).service
}

/// The same, with the name of what launched it.
#[must_use]
pub fn service_names(process: &Process) -> ServiceNames {
    let unit = process.cgroup_text().and_then(|text| unit(&text));
    unit.map_or_else(|| called(process, PARENTS), |service| ServiceNames { service, launched: None })
}

fn called(process: &Process, parents: usize) -> ServiceNames {
    let command = process.command().unwrap_or_default();
    let parent = || {
        let parent = Process::open(process.stat().ok()?.ppid).ok().filter(|p| parents > 0 && p.pid() > 1)?;
        Some((parent.command().ok().filter(|words| !words.is_empty())?, parent))
    };
    // A copy of its parent does what its parent is called after: the child of a fork server is a worker, and no server.
    if let Some((words, parent)) = parent()
        && words == command
        && parent.program() == process.program()
        && !unpacked_by(process, &parent)
    {
        return called(&parent, parents - 1).below("worker");
    }
    match of_command(&command) {
        Called::Own(names) => names,
        Called::Helper(role) => {
            let above = parent().map(|(_, parent)| called(&parent, parents - 1));
            above.unwrap_or_else(|| ServiceNames::own(NAMELESS)).below(role)
        }
    }
}

/// Whether it has the interpreter in a library that its parent has not: a program of one file (PyInstaller) unpacks it, and
/// waits for the service that it started.
fn unpacked_by(process: &Process, parent: &Process) -> bool {
    let library = |process: &Process| {
        let paths = process.maps().ok()?.into_iter().map(|mapping| mapping.path);
        Some(paths.into_iter().find(|path| base(path).starts_with("libpython")))
    };
    // What may not be read is taken for alike.
    matches!((library(process), library(parent)), (Some(Some(own)), Some(parents)) if parents.as_ref() != Some(&own))
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

/// The application, script or module of a Python command line, as a process alone is called.
#[must_use]
pub fn from_command(command: &[String]) -> String {
    match of_command(command) {
        Called::Own(names) => names.service,
        Called::Helper(role) => below(NAMELESS, role),
    }
}

fn of_command(command: &[String]) -> Called {
    let mut arguments = command.iter();
    let own = |name: &str| Called::Own(ServiceNames::own(name));
    let program = match arguments.next() {
        Some(word) => match title(word) {
            Some(titled) => return of_title(titled),
            None => program_name(word),
        },
        None => "",
    };
    if !is_python(program) {
        // A program with Python in it: its arguments are its own.
        return if program.is_empty() { own(NAMELESS) } else { launched(program, arguments.as_slice()) };
    }
    while let Some(argument) = arguments.next() {
        let Some(flags) = argument.strip_prefix('-') else {
            return launched(script_name(argument), arguments.as_slice());
        };
        if flags.is_empty() {
            return own(NAMELESS);
        }
        // Letters may be written together; those that take a value take the rest, or the next word.
        let value = |at: usize| flags.get(at + 1..).filter(|rest| !rest.is_empty()).map(str::to_owned);
        let taker = flags.find(['m', 'c', 'X', 'W']).filter(|_| !flags.starts_with('-'));
        let Some(at) = taker else { continue };
        let value = value(at).or_else(|| arguments.next().cloned()).unwrap_or_default();
        match flags.as_bytes().get(at) {
            Some(b'm') => {
                return helper(&value).map_or_else(|| launched(&value, arguments.as_slice()), Called::Helper);
            }
            Some(b'c') => return helper(&value).map_or_else(|| own(NAMELESS), Called::Helper),
            _ => {}
        }
    }
    own(program)
}

/// A program by the application that it was told to run, or by its own name.
fn launched(program: &str, arguments: &[String]) -> Called {
    let found = launcher(program).and_then(|launcher| Some((launcher, application(launcher, arguments)?)));
    Called::Own(match found {
        Some((launcher, name)) => ServiceNames::of_application(&name, launcher),
        None => ServiceNames::own(program),
    })
}

fn of_title(title: Title) -> Called {
    match title {
        Title::Main(launcher, name) => Called::Own(ServiceNames::of_application(&name, launcher)),
        Title::Worker(launcher, name) => {
            Called::Own(ServiceNames::of_application(&name, launcher).below("worker"))
        }
        Title::WorkerOfParent => Called::Helper("worker"),
    }
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
        assert_eq!(of("python /usr/bin/gunicorn"), "gunicorn");
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
        assert_eq!(of("uwsgi --http :80"), "uwsgi");
        assert_eq!(of("/opt/blender/blender -b scene.blend -P render.py"), "blender");
        assert_eq!(of("/usr/bin/trader 7203.T"), "trader");
        assert_eq!(of("granian"), "granian");
    }

    #[test]
    fn servers_are_called_after_their_application() {
        assert_eq!(of("python /venv/bin/uvicorn app.main:app --port 80"), "app.main");
        assert_eq!(of("python -m gunicorn -w 4 shop.wsgi"), "shop.wsgi");
        assert_eq!(of("python3 -Xdev -m celery -A shop worker"), "shop-worker");
        assert_eq!(of("/usr/bin/granian --interface asgi 交易:app"), "交易");
        let titled = |text: &str| from_command(&[text.to_owned()]);
        assert_eq!(titled("gunicorn: master [shop api]"), "shop_api");
        assert_eq!(titled("gunicorn: worker [shop.wsgi]"), "shop.wsgi/worker");
        assert_eq!(titled("gunicorn: master [gunicorn]"), "gunicorn");
    }

    #[test]
    fn who_knows_only_the_server_finds_them_by_it() {
        let words = ["python", "/venv/bin/uvicorn", "app.main:app"].map(str::to_owned);
        let Called::Own(names) = of_command(&words) else { panic!("a helper") };
        let worker = names.below("worker");
        assert_eq!(
            (worker.service.as_str(), worker.launched.as_deref()),
            ("app.main/worker", Some("uvicorn/worker"))
        );
        assert!(names.matches("app.*") && names.matches("uvicorn*") && worker.matches("uvicorn*"));
        assert!(!names.matches("gunicorn") && !ServiceNames::own("main").matches("uvicorn*"));
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
