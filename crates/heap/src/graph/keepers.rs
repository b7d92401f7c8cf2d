//! What is registered with an interpreter for good and held by its state alone: codecs, handlers for forks, audit hooks,
//! exit handlers. Roots are called as the function that registers with them.

use crate::census::kind::Kind;
use crate::graph::edges::Walker;
use m5_cpython::layout::keepers::{ExitHandlers, Keepers, MODULE_STATE, keepers};

/// More exit handlers than any process has.
const MOST_HANDLERS: u64 = 1 << 24;

/// Objects that the state of an interpreter holds, and what they are called; nothing where this build keeps them elsewhere.
pub(crate) fn of(walker: &Walker<'_>, state: u64) -> Vec<(u64, &'static str)> {
    let layout = walker.anchor.layout;
    let keeper = Keeper { walker, state };
    let Some(at) = keepers(layout.minor, layout.free_threaded).filter(|k| keeper.confirms(k)) else {
        return Vec::new();
    };
    let mut out = vec![
        (keeper.field(at.codecs), "codecs.register"),
        (keeper.field(at.codecs + 8), "codecs.lookup"),
        (keeper.field(at.codecs + 16), "codecs.register_error"),
        (keeper.field(at.dict), "the interpreter's dictionary"),
        (keeper.field(at.forks), "os.register_at_fork"),
        (keeper.field(at.forks + 8), "os.register_at_fork"),
        (keeper.field(at.forks + 16), "os.register_at_fork"),
        (keeper.field(at.audit), "sys.addaudithook"),
    ];
    match at.exits {
        ExitHandlers::List(list) => out.push((keeper.field(list), "atexit.register")),
        ExitHandlers::Array(array) => keeper.handlers(state + array, &mut out),
        ExitHandlers::Module(module) => {
            let module = keeper.field(module);
            if let Some(state) = walker.image.word_at(module, MODULE_STATE).filter(|s| *s != 0) {
                keeper.handlers(state, &mut out);
            }
        }
    }
    out
}

struct Keeper<'a> {
    walker: &'a Walker<'a>,
    state: u64,
}

impl Keeper<'_> {
    fn field(&self, offset: u64) -> u64 {
        self.walker.image.word(self.state.wrapping_add(offset)).unwrap_or(0)
    }

    fn kind(&self, address: u64) -> Option<Kind> {
        self.walker.object(address).and_then(|o| self.walker.census.desc(o)).map(|d| d.kind)
    }

    /// Whether codecs are where the table says, which every interpreter has since its start.
    fn confirms(&self, at: &Keepers) -> bool {
        let wanted = [Kind::List, Kind::Dict, Kind::Dict];
        (0..).step_by(8).zip(wanted).all(|(i, kind)| self.kind(self.field(at.codecs + i)) == Some(kind))
    }

    /// Function, arguments and keywords of each handler in an array, which lies where `at` points to, with its length behind.
    fn handlers(&self, at: u64, out: &mut Vec<(u64, &'static str)>) {
        let image = self.walker.image;
        let word = |at: u64| image.word(at).unwrap_or(0);
        let (array, number) = (word(at), word(at + 8) & u64::from(u32::MAX));
        for i in 0..number.min(MOST_HANDLERS) {
            let handler = word(array.wrapping_add(i * 8));
            if handler != 0 {
                out.extend((0..3).map(|part| (word(handler + part * 8), "atexit.register")));
            }
        }
    }
}
