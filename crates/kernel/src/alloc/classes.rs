//! What is known of the blocks of one size that one line asks for: whether they are objects, and whose they become.
//!
//! A block that holds no object when it is looked at was either never one (the items of a list, the keys of a
//! dict), or an object that is dead already. So a line's blocks are judged together: only where most of those that
//! hold an object hold one of the same type are the others of that size taken for its dead.

use super::follow::{Alive, LOOKS_S, Survival};
use m5_stats::wilson;
use rustc_hash::{FxHashMap, FxHashSet};

/// Types whose dead objects some version keeps for the next that asks, past the allocator: what lives in such a block may
/// have been made by another line.
const FREE_LISTS: &[&str] = &[
    "float",
    "int",
    "tuple",
    "list",
    "dict",
    "slice",
    "frame",
    "method",
    "builtin_function_or_method",
    "method-wrapper",
    "Context",
    "async_generator_asend",
    "async_generator_wrapped_value",
    "range",
    "range_iterator",
    "list_iterator",
    "tuple_iterator",
];
/// Types whose objects are written into a block that is too large and then moved to one that fits, past the breakpoint:
/// that the first block is handed out again says nothing of them.
const RESIZED: &[&str] = &["str", "bytes", "bytearray"];
/// Objects that must have been seen to believe in their type, and the least share of all blocks, as one in so many.
const LEAST: u64 = 3;
const LEAST_SHARE: u64 = 20;
/// A class that keeps so many times less than another keeps nothing.
const MISTAKEN: f64 = 10.0;
/// So many times as many as others were seen to make are not theirs.
const CHANCE: u64 = 3;
/// Of a class that keeps less than this share, what is kept may as well be others', where others make the type too: a busy
/// machine hides when a block was handed out again.
const LEAST_KEPT: f64 = 0.05;

/// Blocks of one size that one line asked for.
#[derive(Debug, Default)]
pub(super) struct Class {
    pub(super) line: usize,
    types: FxHashMap<String, u64>,
    /// Blocks that were handed out again at once.
    gone: u64,
    /// Blocks in which no object was found.
    unknown: u64,
    /// Blocks that were handed out early enough in a window to be seen for some time.
    settled: u64,
}

/// The size of blocks whose size is not known, and that no pool gives.
pub(super) const LARGE: u64 = u64::MAX;

/// The classes by number; the survival of class `c` is told at [`known`]`(c)` and [`unknown`]`(c)`.
#[derive(Debug, Default)]
pub(super) struct Classes {
    numbers: FxHashMap<(usize, u64), usize>,
    all: Vec<Class>,
    pub(super) survival: Vec<Survival>,
}

/// Where objects, and blocks that were handed out again, are counted.
pub(super) fn known(class: usize) -> usize {
    class * 2
}

/// Where blocks in which no object was found are counted.
pub(super) fn unknown(class: usize) -> usize {
    class * 2 + 1
}

impl Classes {
    /// The class of blocks of `size` bytes that `line` asks for.
    pub(super) fn of(&mut self, line: usize, size: u64) -> usize {
        let next = self.all.len();
        let number = *self.numbers.entry((line, size.div_ceil(16))).or_insert(next);
        if number == next {
            self.all.push(Class { line, ..Class::default() });
            self.survival.resize(2 * self.all.len(), Survival::default());
        }
        number
    }

    /// A block was handed out early enough in its window.
    pub(super) fn is_settled(&mut self, class: usize) {
        self.all[class].settled += 1;
    }

    /// Of what is told at `slot`: how many could have been seen to survive.
    fn settled(&self, slot: usize) -> u64 {
        self.all.get(slot / 2).map_or(0, |class| class.settled)
    }

    pub(super) fn is_object(&mut self, class: usize, kind: String) {
        *self.all[class].types.entry(kind).or_default() += 1;
        self.survival[known(class)].followed += 1;
    }

    pub(super) fn is_gone(&mut self, class: usize) {
        self.all[class].gone += 1;
        self.survival[known(class)].followed += 1;
    }

    pub(super) fn is_unknown(&mut self, class: usize) {
        self.all[class].unknown += 1;
        self.survival[unknown(class)].followed += 1;
    }

    /// Takes out survivors whose blocks others got meanwhile: of classes that make hardly any objects, and of those that keep
    /// far less of a type than another class does.
    pub(super) fn without_mistaken(&self, alive: &mut Vec<Alive>) {
        alive.retain(|a| !a.late || self.most_are(a));
        let mut kept: FxHashMap<(String, usize), u64> = FxHashMap::default();
        for a in alive.iter() {
            *kept.entry((a.type_name.clone(), a.slot / 2)).or_default() += 1;
        }
        let alone: FxHashSet<&(String, usize)> = kept
            .iter()
            .filter(|((kind, class), kept)| self.alone(*class, kind, **kept))
            .map(|(of, _)| of)
            .collect();
        let is_alone = |a: &Alive| alone.contains(&(a.type_name.clone(), a.slot / 2));
        alive.retain(|a| self.makes_objects(a.slot) || is_alone(a));
        let share = |class: usize, kept: u64| {
            let settled = self.settled(class * 2).max(kept).max(1) as f64;
            (kept as f64 / settled, settled)
        };
        let mut best: FxHashMap<&str, f64> = FxHashMap::default();
        let counts = |of: &(String, usize)| self.makes_objects(known(of.1)) || alone.contains(of);
        for ((kind, class), kept) in kept.iter().filter(|(of, kept)| **kept >= LEAST && counts(of)) {
            let best = best.entry(kind).or_default();
            let (share, settled) = share(*class, *kept);
            *best = best.max(wilson(share, settled)[0]);
        }
        // One or two may as well be others': a machine that is busy takes its processor from m5 or the program at any moment.
        alive.retain(|a| kept.get(&(a.type_name.clone(), a.slot / 2)).is_some_and(|kept| *kept >= LEAST));
        alive.retain(|a| {
            let kept = kept.get(&(a.type_name.clone(), a.slot / 2)).copied().unwrap_or(0);
            let best = best.get(a.type_name.as_str()).copied().unwrap_or(0.0);
            let share = share(a.slot / 2, kept).0;
            (share >= LEAST_KEPT || is_alone(a)) && share * MISTAKEN >= best
        });
    }

    /// Whether most objects that were found in its class are of its type.
    fn most_are(&self, a: &Alive) -> bool {
        self.all.get(a.slot / 2).and_then(Class::most) == Some(a.type_name.as_str())
    }

    /// Whether nobody but class `own` can have made the `kept` ones of a type: a line that leaks is sampled as often as blocks of
    /// others that it was given, so that it is not missed where those are some. A few may be a chance, and are no line that leaks.
    fn alone(&self, own: usize, kind: &str, kept: u64) -> bool {
        let makes = |class: &Class| class.most() == Some(kind);
        let made = |class: &Class| class.types.get(kind).copied().unwrap_or(0);
        let others = self.all.iter().enumerate().filter(|(number, class)| *number != own && makes(class));
        let others: u64 = others.map(|(_, class)| made(class)).sum();
        self.all.get(own).is_some_and(makes) && (others == 0 || kept > CHANCE * (others + 1))
    }

    /// Whether objects are found in the blocks of the class that is told at `slot` often enough to believe in one: else they
    /// are others', who got the block meanwhile.
    fn makes_objects(&self, slot: usize) -> bool {
        self.all.get(slot / 2).is_some_and(|class| {
            let objects: u64 = class.types.values().sum();
            objects * LEAST_SHARE >= objects + class.gone + class.unknown
        })
    }

    /// Adds what is known of each class to its line.
    pub(super) fn finish(&self, lines: &mut [Followed]) {
        for class in self.all.iter().filter(|c| RESIZED.iter().any(|name| c.types.contains_key(*name))) {
            if let Some(line) = lines.get_mut(class.line) {
                line.moves = true;
            }
        }
        for (number, class) in self.all.iter().enumerate() {
            let Some(line) = lines.get_mut(class.line) else { continue };
            let both = [&self.survival[known(number)], &self.survival[unknown(number)]];
            for (kind, count) in &class.types {
                *line.types.entry(kind.clone()).or_default() += count;
            }
            match class.is() {
                Is::Own => both.iter().for_each(|s| line.own.add(s)),
                Is::Shared => both.iter().for_each(|s| line.shared.add(s)),
                Is::Dead if !line.moves => line.own.add(both[0]),
                Is::Dead | Is::Moved | Is::NoObject => line.unfollowed += both[0].followed + both[1].followed,
            }
        }
    }
}

/// What is known of what a line made.
#[derive(Debug, Default)]
pub(super) struct Followed {
    pub(super) types: FxHashMap<String, u64>,
    /// Of objects that are this line's own.
    pub(super) own: Survival,
    /// Of objects of types with free lists.
    pub(super) shared: Survival,
    /// It makes texts, whose first blocks say nothing.
    moves: bool,
    /// Blocks that are no objects, as far as is known, or texts.
    pub(super) unfollowed: u64,
}

/// What the blocks of a class are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Own,
    Shared,
    /// Whatever it is, nearly all of it is handed out again at once.
    Dead,
    NoObject,
    /// Texts, of which only those show that were not moved.
    Moved,
}

impl Class {
    /// The type of more than half of the objects that were found.
    fn most(&self) -> Option<&str> {
        let objects: u64 = self.types.values().sum();
        self.types.iter().find(|(_, n)| **n * 2 > objects).map(|(kind, _)| kind.as_str())
    }

    fn is(&self) -> Is {
        let objects: u64 = self.types.values().sum();
        let all = objects + self.gone + self.unknown;
        let most = self.types.iter().max_by_key(|(name, n)| (**n, std::cmp::Reverse(name.as_str())));
        let believed = objects >= LEAST && objects * LEAST_SHARE >= all;
        match most {
            Some((name, n)) if believed && n * 5 >= objects * 4 => {
                if RESIZED.contains(&name.as_str()) {
                    return Is::Moved;
                }
                if FREE_LISTS.contains(&name.as_str()) { Is::Shared } else { Is::Own }
            }
            _ if self.gone * 5 >= all * 4 => Is::Dead,
            _ => Is::NoObject,
        }
    }
}

impl Survival {
    fn add(&mut self, other: &Self) {
        for i in 0..LOOKS_S.len() {
            self.looked[i] += other.looked[i];
            self.alive[i] += other.alive[i];
        }
        self.followed += other.followed;
        self.alive_at_end += other.alive_at_end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(types: &[(&str, u64)], gone: u64, unknown: u64) -> Is {
        let types = types.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        Class { types, gone, unknown, ..Class::default() }.is()
    }

    /// What is left of ten survivors of a line that made a thousand, where another line made `others` of the type.
    fn left(others: u64) -> usize {
        let mut classes = Classes::default();
        let (own, other) = (classes.of(0, 64), classes.of(1, 64));
        for _ in 0..20 {
            classes.is_object(own, "Tick".to_owned());
        }
        for _ in 0..980 {
            classes.is_gone(own);
            classes.is_settled(own);
        }
        for _ in 0..others {
            classes.is_object(other, "Tick".to_owned());
            classes.is_settled(other);
        }
        let one =
            || Alive { object: 0, type_name: "Tick".to_owned(), slot: known(own), stack: 0, late: false };
        let mut alive: Vec<Alive> = (0..10).map(|_| one()).collect();
        classes.without_mistaken(&mut alive);
        alive.len()
    }

    #[test]
    fn a_line_that_keeps_hardly_anything_is_believed_where_hardly_anybody_else_makes_the_type() {
        assert_eq!((left(0), left(1), left(3)), (10, 10, 0));
    }

    #[test]
    fn what_was_found_late_is_the_lines_own_only_where_it_makes_such() {
        let left = |type_name: &str, late: bool| {
            let mut classes = Classes::default();
            let class = classes.of(0, 48);
            (0..30).for_each(|_| classes.is_object(class, "range".to_owned()));
            (0..10).for_each(|_| classes.is_object(class, "Tick".to_owned()));
            let one =
                || Alive { object: 0, type_name: type_name.to_owned(), slot: known(class), stack: 0, late };
            let mut alive: Vec<Alive> = (0..6).map(|_| one()).collect();
            classes.without_mistaken(&mut alive);
            alive.len()
        };
        assert_eq!((left("Tick", true), left("Tick", false), left("range", true)), (0, 6, 6));
    }

    #[test]
    fn blocks_are_judged_together() {
        assert_eq!(class(&[("Tick", 90)], 5, 5), Is::Own);
        assert_eq!(class(&[("dict", 90), ("Tick", 1)], 5, 5), Is::Shared);
        // Items of lists that live: hardly ever an object, and never handed out again.
        assert_eq!(class(&[("Tick", 1)], 0, 99), Is::NoObject);
        // Others' objects in blocks that were freed.
        assert_eq!(class(&[("Tick", 6), ("Bar", 5)], 80, 9), Is::Dead);
        assert_eq!(class(&[("str", 90)], 5, 5), Is::Moved);
        assert_eq!(class(&[("Tick", 6), ("str", 5)], 10, 80), Is::NoObject);
        assert_eq!(class(&[], 0, 0), Is::Dead);
    }
}
