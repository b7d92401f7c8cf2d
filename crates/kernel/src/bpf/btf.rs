//! Where the running kernel keeps a field of its own structures, by its own description of types (BTF).
//!
//! Source of the format: the kernel's `Documentation/bpf/btf.rst`.

use std::fs;

/// The description, where a kernel has one.
const FILE: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u32 = 0xeb9f;
/// Bytes of a type before what its kind adds.
const HEAD: usize = 12;
const MEMBER: usize = 12;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
/// Kinds of one type each that only wrap another: typedef, volatile, const, restrict, a type tag.
const WRAPPERS: [u32; 5] = [8, 9, 10, 11, 18];
/// Types that are followed for one field at most.
const DEEPEST: usize = 16;

/// The kernel's types.
#[derive(Debug)]
pub(crate) struct Btf {
    bytes: Vec<u8>,
    /// Where each type begins; the first one has the number 1.
    types: Vec<usize>,
    strings: usize,
}

impl Btf {
    /// Those of the kernel that runs; `None` where it does not describe itself.
    pub(crate) fn of_kernel() -> Option<Self> {
        Self::parse(fs::read(FILE).ok()?)
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let word = |at: usize| u32_at(&bytes, at);
        let head = word(4)? as usize;
        if word(0)? & 0xffff != MAGIC {
            return None;
        }
        let start = head.checked_add(word(8)? as usize)?;
        let end = start.checked_add(word(12)? as usize)?;
        let strings = head.checked_add(word(16)? as usize)?;
        let (mut types, mut at) = (Vec::new(), start);
        while at < end {
            types.push(at);
            at = at.checked_add(HEAD + extra(word(at + 4)?)?)?;
        }
        Some(Self { bytes, types, strings })
    }

    /// Offset in bytes of a field of a structure; each further name is a field within the one before.
    pub(crate) fn offset(&self, structure: &str, path: &[&str]) -> Option<u32> {
        let mut kind =
            *self.types.iter().find(|at| self.kind(**at) == Some(STRUCT) && self.named(**at, structure))?;
        let mut bits = 0u32;
        for name in path {
            let (at, next) = self.field(self.unwrapped(kind)?, name, 0)?;
            bits = bits.checked_add(at)?;
            kind = next;
        }
        bits.is_multiple_of(8).then_some(bits / 8)
    }

    /// Offset in bits and type of a field, also within structures without a name.
    fn field(&self, at: usize, name: &str, depth: usize) -> Option<(u32, usize)> {
        let info = u32_at(&self.bytes, at + 4)?;
        if !matches!(kind_of(info), STRUCT | UNION) || depth > DEEPEST {
            return None;
        }
        // With bit fields about, the upper byte of an offset is a width.
        let mask = if info >> 31 == 1 { 0x00ff_ffff } else { u32::MAX };
        (0..(info & 0xffff) as usize).find_map(|n| {
            let member = at + HEAD + n * MEMBER;
            let kind = self.of_number(u32_at(&self.bytes, member + 4)?)?;
            let bits = u32_at(&self.bytes, member + 8)? & mask;
            if self.named(member, name) {
                return Some((bits, kind));
            }
            let nameless = u32_at(&self.bytes, member)? == 0;
            let (inner, kind) = nameless.then(|| self.field(kind, name, depth + 1))??;
            Some((bits.checked_add(inner)?, kind))
        })
    }

    fn unwrapped(&self, mut at: usize) -> Option<usize> {
        for _ in 0..DEEPEST {
            if !WRAPPERS.contains(&self.kind(at)?) {
                return Some(at);
            }
            at = self.of_number(u32_at(&self.bytes, at + 8)?)?;
        }
        None
    }

    fn of_number(&self, number: u32) -> Option<usize> {
        self.types.get((number as usize).checked_sub(1)?).copied()
    }

    fn kind(&self, at: usize) -> Option<u32> {
        u32_at(&self.bytes, at + 4).map(kind_of)
    }

    /// Whether the name at the head of a type or member is this one.
    fn named(&self, at: usize, name: &str) -> bool {
        let offset = u32_at(&self.bytes, at).unwrap_or_default() as usize;
        let text = self.strings.checked_add(offset).and_then(|from| self.bytes.get(from..));
        text.and_then(|t| t.strip_prefix(name.as_bytes())).is_some_and(|rest| rest.first() == Some(&0))
    }
}

fn kind_of(info: u32) -> u32 {
    info >> 24 & 0x1f
}

/// Bytes that follow the head of a type; `None` for kinds that are not known.
fn extra(info: u32) -> Option<usize> {
    let count = (info & 0xffff) as usize;
    Some(match kind_of(info) {
        // Pointer, forward, typedef, volatile, const, restrict, function, float, type tag.
        2 | 7..=12 | 16 | 18 => 0,
        // Integer, variable, declaration tag.
        1 | 14 | 17 => 4,
        3 => 12,
        STRUCT | UNION | 15 | 19 => count * MEMBER,
        // Enumeration, prototype of a function.
        6 | 13 => count * 8,
        _ => return None,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct a { int x; struct { int y; }; const struct b z; }`, `struct b { int v; int w; }`.
    fn example() -> Vec<u8> {
        let strings = b"\0int\0a\0x\0y\0b\0z\0v\0w\0";
        let name = |n: &[u8]| strings.windows(n.len()).position(|w| w == n).unwrap_or_default() as u32;
        let of = |kind: u32, count: u32| kind << 24 | count;
        let (int, a, b) = (name(b"int\0"), name(b"a\0"), name(b"b\0"));
        let [x, y, z, v, w] = [b"x\0", b"y\0", b"z\0", b"v\0", b"w\0"].map(|n| name(n));
        let types: Vec<u32> = [
            &[int, of(1, 0), 4, 32][..],
            &[a, of(STRUCT, 3), 16, x, 1, 0, 0, 3, 32, z, 5, 64],
            &[0, of(STRUCT, 1), 4, y, 1, 0],
            &[b, of(STRUCT, 2), 8, v, 1, 0, w, 1, 32],
            &[0, of(10, 0), 4],
        ]
        .concat();
        let length = types.len() as u32 * 4;
        let head = [MAGIC | 1 << 16, 24, 0, length, length, strings.len() as u32];
        let mut bytes: Vec<u8> = head.iter().chain(&types).flat_map(|n| n.to_le_bytes()).collect();
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn fields_are_found_within_others() {
        let btf = Btf::parse(example());
        let at = |path: &[&str]| btf.as_ref().and_then(|b| b.offset("a", path));
        assert_eq!(
            [at(&["x"]), at(&["y"]), at(&["z"]), at(&["z", "w"])],
            [Some(0), Some(4), Some(8), Some(12)]
        );
        assert_eq!([at(&["w"]), at(&["x", "v"])], [None, None]);
    }

    #[test]
    fn foreign_bytes_are_no_types() {
        let whole = example();
        for end in 0..whole.len() {
            let _ = Btf::parse(whole[..end].to_vec()).and_then(|b| b.offset("a", &["z", "w"]));
        }
        for at in 0..whole.len() {
            let mut wounded = whole.clone();
            wounded[at] ^= 0xff;
            let _ = Btf::parse(wounded).and_then(|b| b.offset("a", &["z", "w"]));
        }
    }
}
