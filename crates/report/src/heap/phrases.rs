//! Numbers and holders in words, shared by the text reports.

use crate::texts::{Heap, Part};
use crate::{Lang, shared::units};
use m5_heap::{Cause, Holder};

/// A count with separators: `120,400`.
pub(crate) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A change with its sign: `+1,204`.
pub(crate) fn signed(value: i64) -> String {
    let sign = if value < 0 { '-' } else { '+' };
    format!("{sign}{}", thousands(value.unsigned_abs()))
}

/// Bytes with a sign: `+1.5 MiB`.
pub(crate) fn signed_bytes(value: i64) -> String {
    let sign = if value < 0 { "" } else { "+" };
    format!("{sign}{}", units::bytes(value as f64))
}

/// Bytes.
pub(crate) fn bytes(value: u64) -> String {
    units::bytes(value as f64)
}

/// A holder: `engine.Feed.history (list, 120,400 items)`, or that there is none.
pub(crate) fn holder(holder: &Holder, lang: Lang) -> String {
    match (holder.cause, holder.name.is_empty()) {
        (Cause::Garbage, _) => lang.say(Heap::Garbage).to_owned(),
        (Cause::Uncollectable, true) => lang.say(Heap::OutlivesCollections).to_owned(),
        (Cause::Uncollectable, false) => lang.fill(Heap::UncollectableThrough, &[&holder.name]),
        (Cause::NoReferrer, _) => lang.say(Heap::NoReferrer).to_owned(),
        (Cause::Native, false) => lang.fill(Heap::NativeIn, &[&holder.name]),
        (Cause::Native, true) => lang.say(Heap::Native).to_owned(),
        (Cause::Held, _) if holder.type_name.is_empty() => holder.name.clone(),
        (Cause::Held, _) => match holder.items {
            Some(items) if holder.limit.is_some() => {
                let limit = holder.limit.unwrap_or(0);
                let word = if items >= limit { Heap::FullItems } else { Heap::LimitedItems };
                lang.fill(word, &[&holder.name, &holder.type_name, &thousands(items), &thousands(limit)])
            }
            Some(items) => lang.fill(Heap::Items, &[&holder.name, &holder.type_name, &thousands(items)]),
            None => lang.fill(Heap::NoItems, &[&holder.name, &holder.type_name]),
        },
    }
}

/// A part of memory by its identifier, readable; names of types and files stay as they are.
pub(crate) fn part(name: &str, lang: Lang) -> String {
    Part::of(name).map_or_else(|| name.to_owned(), |part| lang.say(part).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(120_400), "120,400");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(signed(-1_204), "-1,204");
        assert_eq!(signed_bytes(2048), "+2.0 KiB");
    }
}
