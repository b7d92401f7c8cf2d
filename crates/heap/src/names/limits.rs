//! The limits that caches and queues have by a number beside them: an attribute of the same object (`maxsize`), of its
//! class, or a constant of the module or class that they are attributes of (`_MAXCACHE` beside `_cache`).

use super::namer::ImageNamer;
use crate::census::kind::Kind;
use crate::graph::dict::Dict;
use crate::graph::edges::Label;

/// Namespaces with more names than this are not searched.
const WIDEST: u64 = 4096;

impl ImageNamer<'_> {
    /// The limit in an attribute of the object itself.
    pub(super) fn told_by(&self, owner: u32) -> Option<u64> {
        let mut found = None;
        let mut namespace = None;
        let mut see = |target: u64, label: Label| match label {
            Label::Namespace => namespace = Some(target),
            Label::Attribute(key) => found = found.or_else(|| self.limit_in(key, target, limits)),
            Label::Slot(offset) => {
                let slot = || self.slot(self.walker.census.desc(owner)?, offset);
                found = found.or_else(|| limits(&slot()?).then(|| self.count(target)).flatten());
            }
            _ => {}
        };
        self.walker.visit(owner, &mut see);
        found.or_else(|| self.told_in(namespace?, limits))
    }

    /// The limit in an attribute of its class.
    pub(super) fn told_by_class(&self, owner: u32) -> Option<u64> {
        let desc = self.walker.census.desc(owner).filter(|d| d.heap())?;
        self.class_dicts(desc).find_map(|dict| self.told_in(dict, limits))
    }

    /// The limit that a dictionary of names has for its container of that name.
    pub(super) fn told_beside(&self, namespace: u32, container: &str) -> Option<u64> {
        let at = *self.walker.census.address.get(namespace as usize)?;
        self.told_in(at, |name| is_limit_of(name, container))
    }

    fn told_in(&self, dict: u64, is_limit: impl Fn(&str) -> bool) -> Option<u64> {
        let image = self.walker.image;
        let dict = Dict::read(image, self.walker.anchor.layout, dict).filter(|d| d.used <= WIDEST)?;
        dict.items(image).find_map(|(key, value)| self.limit_in(key, value, &is_limit))
    }

    fn limit_in(&self, key: u64, value: u64, is_limit: impl Fn(&str) -> bool) -> Option<u64> {
        let count = self.count(value)?;
        is_limit(&self.text(key)?).then_some(count)
    }

    /// A whole number above nought.
    fn count(&self, value: u64) -> Option<u64> {
        let desc = self.walker.census.desc(self.walker.object(value)?)?;
        (desc.kind == Kind::Int && desc.name == "int").then_some(())?;
        self.number(value)?.parse().ok().filter(|n| *n > 0)
    }
}

/// Whether a limit is one of bytes: many KiB, and whole ones.
pub(super) fn of_bytes(limit: u64) -> bool {
    limit >= 16 << 10 && limit.is_multiple_of(1 << 10)
}

/// Whether an attribute is called as limits of caches and queues are, its class's own prefix aside.
fn limits(name: &str) -> bool {
    let own = name.rsplit("__").next().unwrap_or(name).trim_start_matches('_');
    let plain: String = own.chars().filter(|c| *c != '_').collect::<String>().to_ascii_lowercase();
    let whole = ["maxlen", "maxlength", "maxentries", "maxitems", "maxcached", "capacity", "sizelimit"];
    whole.contains(&plain.as_str()) || ["maxsize", "cachesize"].iter().any(|end| plain.ends_with(end))
}

/// Whether a constant is called as the limit of a container that is called so: `_MAXCACHE` of `_cache`, `MAX_HISTORY` of
/// `history`, `CACHE_MAX_SIZE` of `_regex_cache`. What is left of the name of the limit has to be in that of the container;
/// `MAX_ORDER_SIZE` says nothing of how many `orders` there may be.
fn is_limit_of(limit: &str, container: &str) -> bool {
    const BOUNDS: [&str; 4] = ["max", "maximum", "limit", "capacity"];
    const SIZES: [&str; 5] = ["size", "len", "length", "entries", "items"];
    const COLLECTIONS: [&str; 9] =
        ["cache", "queue", "buffer", "pool", "history", "backlog", "registry", "memo", "log"];
    let words = |name: &str| -> Vec<String> {
        name.to_ascii_lowercase().split('_').filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let (mut bound, mut size, mut subject) = (false, false, Vec::new());
    for word in words(limit) {
        match word.strip_prefix("max") {
            _ if BOUNDS.contains(&word.as_str()) => bound = true,
            Some(rest) if SIZES.contains(&rest) => (bound, size) = (true, true),
            Some(rest) => {
                bound = true;
                subject.push(rest.to_owned());
            }
            None if SIZES.contains(&word.as_str()) => size = true,
            None => subject.push(word),
        }
    }
    let of = words(container);
    let collection = |w: &String| COLLECTIONS.iter().any(|c| w.trim_end_matches(char::is_numeric) == *c);
    (bound || size)
        && !subject.is_empty()
        && subject.iter().all(|word| of.contains(word))
        && (!size || subject.iter().any(collection))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_known_by_their_names() {
        for name in ["maxsize", "_max_size", "_Cache__maxsize", "capacity", "_GettzFunc__strong_cache_size"] {
            assert!(limits(name), "{name}");
        }
        for name in ["size", "limit", "max_retries", "maxima", "_LRUCache__order"] {
            assert!(!limits(name), "{name}");
        }
    }

    #[test]
    fn limits_of_bytes_are_known_by_their_roundness() {
        assert!(of_bytes(1 << 20) && of_bytes(64 << 10));
        assert!(!of_bytes(4096) && !of_bytes(100_000) && !of_bytes(0x7fff_ffff));
    }

    #[test]
    fn a_constant_is_the_limit_of_what_it_is_called_after() {
        let pairs = [("_MAXCACHE", "_cache"), ("_MAXCACHE2", "_cache2"), ("_CACHE_MAX_SIZE", "_regex_cache")];
        let more = [("MAX_HISTORY", "history"), ("CACHE_SIZE", "_cache"), ("MAX_ORDERS", "orders")];
        for (limit, container) in pairs.into_iter().chain(more) {
            assert!(is_limit_of(limit, container), "{limit} {container}");
        }
        let pairs = [("_MAXCACHE2", "_cache"), ("MAX_ORDER_SIZE", "order"), ("MAX_CACHE_AGE", "_cache")];
        let more = [("MAXSIZE", "orders"), ("HISTORY", "history"), ("maxima", "maxima")];
        for (limit, container) in pairs.into_iter().chain(more) {
            assert!(!is_limit_of(limit, container), "{limit} {container}");
        }
    }
}
