//! Programs that run somebody else's application: what an owner calls the service is the application, not its server.

/// How an application stands on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `module:attribute`, the first word that is no option and no value of one.
    Attribute,
    /// The same, or the module alone.
    Module,
    /// `--app module`, and a command: `celery -A shop worker`.
    Celery,
    /// A module or a file, as the value of one of these options.
    Option(&'static [&'static str]),
    /// A file after this word: `streamlit run shop.py`.
    File(&'static str),
}

const LAUNCHERS: &[(&str, Form)] = &[
    ("uvicorn", Form::Attribute),
    ("hypercorn", Form::Module),
    ("daphne", Form::Attribute),
    ("granian", Form::Attribute),
    ("gunicorn", Form::Module),
    ("waitress-serve", Form::Attribute),
    ("sanic", Form::Attribute),
    ("dramatiq", Form::Module),
    ("arq", Form::Module),
    ("celery", Form::Celery),
    ("flask", Form::Option(&["--app", "-A"])),
    ("uwsgi", Form::Option(&["--module", "-w", "--wsgi", "--wsgi-file", "--file", "--ini"])),
    ("fastapi", Form::File("run")),
    ("streamlit", Form::File("run")),
];

/// Options that take no value; those that begin with `--no-` take none either. After any other the next word is its value.
const FLAGS: &[&str] = &[
    "-D",
    "-R",
    "--access-log",
    "--capture-output",
    "--check-config",
    "--daemon",
    "--debug",
    "--disable-redirect-access-to-syslog",
    "--enable-stdio-inheritance",
    "--factory",
    "--initgroups",
    "--log-syslog",
    "--preload",
    "--print-config",
    "--proxy-headers",
    "--reload",
    "--respawn-failed-workers",
    "--reuse-port",
    "--spew",
    "--use-colors",
];

/// What of Celery runs in a process.
const CELERY: &[&str] = &["worker", "beat", "flower", "events"];

/// The name of the launcher, if it is one that is known.
pub(super) fn launcher(program: &str) -> Option<&'static str> {
    LAUNCHERS.iter().map(|(name, _)| *name).find(|name| *name == program)
}

/// The application that a launcher was told to run; `None` where its command line names none.
pub(super) fn application(launcher: &str, arguments: &[String]) -> Option<String> {
    let (_, form) = LAUNCHERS.iter().find(|(name, _)| *name == launcher)?;
    match form {
        Form::Attribute => positional(arguments, false).map(str::to_owned),
        Form::Module => positional(arguments, true).map(str::to_owned),
        Form::Celery => celery(arguments),
        Form::Option(options) => {
            options.iter().find_map(|option| module_or_file(value_of(option, arguments)?))
        }
        Form::File(word) => {
            let after = arguments.iter().skip_while(|a| a != word).skip(1);
            after.filter(|a| a.ends_with(".py")).find_map(|a| stem(a))
        }
    }
}

/// The value of an option: the next word, or behind `=`, or, of a letter, behind that.
fn value_of<'a>(option: &str, arguments: &'a [String]) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(i, word)| match word.strip_prefix(option)? {
        "" => arguments.get(i + 1).map(String::as_str),
        rest => rest.strip_prefix('=').or((option.len() == 2).then_some(rest)),
    })
}

fn module_or_file(word: &str) -> Option<String> {
    match word.ends_with(".py") || word.contains('/') || word.ends_with(".ini") {
        true => stem(word),
        false => module(word, true).map(str::to_owned),
    }
}

/// The file's name without what follows its point; `None` where its kind alone gave it that.
fn stem(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    (!stem.is_empty() && !["uwsgi", "wsgi", "asgi"].contains(&stem)).then(|| stem.to_owned())
}

/// What a process wrote over its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Title {
    /// The application, or the name that its owner gave it.
    Main(&'static str, String),
    /// A worker of it.
    Worker(&'static str, String),
    /// A worker of whatever its parent is.
    WorkerOfParent,
}

/// `gunicorn: master [shop.wsgi:app]`, `[celeryd: celery@host:MainProcess] -active- (-A shop worker)`.
pub(super) fn title(text: &str) -> Option<Title> {
    let inside = |open, close| Some(text.split_once(open)?.1.rsplit_once(close)?.0.trim());
    if let Some(rest) = text.strip_prefix("gunicorn: ") {
        let name = inside('[', ']').filter(|name| !name.is_empty() && *name != "gunicorn")?;
        let name = module(name, true).unwrap_or(name).to_owned();
        let role = if rest.starts_with("worker") { Title::Worker } else { Title::Main };
        return Some(role("gunicorn", name));
    }
    let node = text.strip_prefix("[celeryd: ")?;
    if !node.split(']').next()?.ends_with(":MainProcess") {
        return Some(Title::WorkerOfParent);
    }
    let words: Vec<String> = inside('(', ')')?.split(' ').map(str::to_owned).collect();
    Some(Title::Main("celery", celery(&words)?))
}

fn positional(words: &[String], alone: bool) -> Option<&str> {
    let mut value = false;
    for word in words {
        if word.starts_with('-') {
            let joined = word.contains('=') || !word.starts_with("--") && word.len() > 2;
            value = !joined && !word.starts_with("--no-") && !FLAGS.contains(&word.as_str());
        } else if !std::mem::take(&mut value)
            && let Some(found) = module(word, alone)
        {
            return Some(found);
        }
    }
    // An option that takes no value, but is not known here, stood before it.
    words.iter().filter(|word| !word.starts_with('-')).find_map(|word| module(word, false))
}

fn celery(words: &[String]) -> Option<String> {
    let app = module(value_of("-A", words).or_else(|| value_of("--app", words))?, true)?;
    let command = words.iter().find(|word| CELERY.contains(&word.as_str()));
    Some(command.map_or_else(|| app.to_owned(), |command| format!("{app}-{command}")))
}

/// The module of `module:attribute`, or, where `alone` may stand for one, of `module`. What is called there may hold
/// secrets (`shop:create_app("key")`) and is not looked at.
fn module(word: &str, alone: bool) -> Option<&str> {
    let protocol = |word: &'_ str| ["asgi:", "wsgi:"].iter().any(|p| word.starts_with(p));
    let word = match word.split_once(':') {
        Some((_, rest)) if protocol(word) && rest.contains(':') => rest,
        _ => word,
    };
    match word.split_once(':') {
        Some((module, attribute)) => (dotted(module) && attribute.starts_with(letter)).then_some(module),
        None => (alone && dotted(word)).then_some(word),
    }
}

fn letter(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn dotted(text: &str) -> bool {
    text.split('.')
        .all(|part| part.starts_with(letter) && part.chars().all(|c| c.is_alphanumeric() || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<String> {
        let mut words = line.split(' ').map(str::to_owned);
        application(&words.next().unwrap(), &words.collect::<Vec<_>>())
    }

    #[test]
    fn the_application_is_found_between_the_options() {
        let found = [
            ("uvicorn app.main:app", "app.main"),
            ("uvicorn --reload app.main:app --port 80", "app.main"),
            ("uvicorn --host 0.0.0.0 --port 80 --log-level info 交易.引擎:app", "交易.引擎"),
            ("uvicorn --factory shop:create_app", "shop"),
            ("uvicorn --new-flag shop:app", "shop"),
            ("gunicorn shop.wsgi", "shop.wsgi"),
            ("gunicorn -w 4 -b 127.0.0.1:8000 -k uvicorn.workers.UvicornWorker shop.wsgi:app", "shop.wsgi"),
            ("gunicorn --preload -kgevent -w4 shop --timeout 30", "shop"),
            ("gunicorn --bind=:80 --preload shop.wsgi:create_app(\"s3cret\")", "shop.wsgi"),
            ("hypercorn asgi:shop:app", "shop"),
            ("hypercorn shop.asgi -b localhost:80", "shop.asgi"),
            ("daphne -b 0.0.0.0 -p 80 shop.asgi:application", "shop.asgi"),
            ("granian --interface asgi --no-ws shop.main:app", "shop.main"),
            ("waitress-serve --listen=*:80 shop:app", "shop"),
            ("celery -A shop worker -l info", "shop-worker"),
            ("celery --app=shop.tasks:app beat", "shop.tasks-beat"),
            ("celery worker -Ashop", "shop-worker"),
            ("celery -A shop multi start w1", "shop"),
            ("sanic shop.server:app --workers 2", "shop.server"),
            ("dramatiq --processes 2 shop.tasks", "shop.tasks"),
            ("arq shop.worker.WorkerSettings", "shop.worker.WorkerSettings"),
            ("flask --app shop:create_app run --port 80", "shop"),
            ("flask -A shop/web.py run", "web"),
            ("uwsgi --http :80 --wsgi-file /srv/shop.py --master", "shop"),
            ("uwsgi --http-socket :80 --module=shop.wsgi:application", "shop.wsgi"),
            ("uwsgi -wshop.wsgi -p 4", "shop.wsgi"),
            ("uwsgi --ini /etc/uwsgi/apps-enabled/shop.ini", "shop"),
            ("fastapi run src/shop.py --port 80", "shop"),
            ("streamlit run board.py --server.port 80", "board"),
        ];
        for (line, name) in found {
            assert_eq!(of(line).as_deref(), Some(name), "{line}");
        }
        let none = [
            "uvicorn --port 80",
            "uvicorn s3cret",
            "gunicorn -c /etc/gunicorn.py",
            "celery worker",
            "daphne",
            "uwsgi --ini uwsgi.ini",
            "uwsgi --http :80 --wsgi-file /srv/shop/wsgi.py",
            "streamlit hello",
        ];
        for line in none.into_iter().chain(["gunicorn --bind localhost:8000", "celery -A", "flask run"]) {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn titles() {
        let main = |launcher, name: &str| Some(Title::Main(launcher, name.to_owned()));
        assert_eq!(title("gunicorn: master [shop.wsgi:app]"), main("gunicorn", "shop.wsgi"));
        assert_eq!(title("gunicorn: master [shop api]"), main("gunicorn", "shop api"));
        assert_eq!(title("gunicorn: worker [shop]"), Some(Title::Worker("gunicorn", "shop".to_owned())));
        assert_eq!(title("gunicorn: master [gunicorn]"), None);
        let celery = "[celeryd: celery@host:MainProcess] -active- (-A shop worker --loglevel=info)";
        assert_eq!(title(celery), main("celery", "shop-worker"));
        assert_eq!(title("[celeryd: celery@host:ForkPoolWorker-1]"), Some(Title::WorkerOfParent));
        assert_eq!(title("python"), None);
    }
}
