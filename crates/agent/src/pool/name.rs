//! What to call a process: its systemd unit, or the script or module that it runs. Never its arguments or
//! environment: those hold secrets.

use m5_process::Process;

/// The name of the service that a process belongs to.
#[must_use]
pub fn service_name(process: &Process) -> String {
    let unit = process.cgroup_text().and_then(|text| unit(&text));
    unit.unwrap_or_else(|| from_command(&process.command().unwrap_or_default()))
}

/// The unit in the text of `/proc/PID/cgroup`; user sessions and slices are none.
fn unit(cgroup: &str) -> Option<String> {
    let last = cgroup.lines().filter_map(|l| l.rsplit('/').next()).find(|n| n.ends_with(".service"))?;
    let name = last.strip_suffix(".service")?;
    (!name.starts_with("user@") && !name.is_empty()).then(|| clean(name))
}

/// The script or module of a Python command line.
pub(crate) fn from_command(command: &[String]) -> String {
    let mut arguments = command.iter();
    let program = arguments.next().map_or("", |p| base(p));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-m" => return arguments.next().map_or_else(|| "python".to_owned(), |m| clean(m)),
            "-c" | "-" => return "python".to_owned(),
            "-X" | "-W" => drop(arguments.next()),
            flag if flag.starts_with('-') => {}
            script => return clean(script_name(script)),
        }
    }
    clean(if program.is_empty() { "python" } else { program })
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

/// Bounded, and of characters that need no thought in labels, file names and pages.
fn clean(name: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-_.@".contains(c) { c } else { '_' };
    name.chars().take(64).map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> String {
        from_command(&words.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn commands() {
        assert_eq!(of("python3 -u /srv/app/main.py --token s3cret"), "main");
        assert_eq!(of("/usr/bin/python3 -X dev -m trading_engine --seed 1"), "trading_engine");
        assert_eq!(of("python /usr/bin/gunicorn app:app"), "gunicorn");
        assert_eq!(of("python examples/trading_engine/"), "trading_engine");
        assert_eq!(of("python pkg/__main__.py"), "pkg");
        assert_eq!(of("python -c secret"), "python");
        assert_eq!(of("uwsgi"), "uwsgi");
    }

    #[test]
    fn units() {
        assert_eq!(unit("0::/system.slice/trading-engine.service"), Some("trading-engine".into()));
        assert_eq!(unit("0::/user.slice/user-0.slice/user@0.service"), None);
        assert_eq!(unit("0::/"), None);
    }
}
