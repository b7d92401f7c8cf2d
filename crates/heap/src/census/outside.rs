//! Buffers of objects of the standard library's C types and of NumPy's scalars: what their `__sizeof__` adds to the
//! struct, and where it lies. Offsets are those of the C structs, the same in all versions that m5 reads.

use crate::census::count::{self, Count};
use crate::image::Image;
use m5_cpython::layout::objects::{ObjectLayout, type_fields as tf};

const ABSURD: u64 = 1 << 40;

/// What an object of C keeps outside its struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outside {
    /// `array.array`.
    Array,
    /// `io.BytesIO`: an object of `bytes` that nobody else sees.
    BytesIo,
    /// `io.BufferedReader` and its like.
    Buffered,
    /// `struct.Struct`: its codes.
    Struct,
    /// An element of `xml.etree` with children or attributes.
    Element,
    /// A number of `decimal` with many digits.
    Decimal,
    /// `itertools.combinations`: as many indices as `r` at this offset says.
    Combinations,
    /// `itertools.permutations`.
    Permutations,
    /// `itertools.product`.
    Product,
    /// `mmap.mmap`: pages that `sys.getsizeof` does not count.
    Mapping,
    /// The namespace of a class of `ctypes`, which describes its instances (up to 3.12).
    Description,
    /// A class of `ctypes` where the description lies behind its fields (from 3.13 on).
    Class,
    /// `queue.SimpleQueue`: its ring, where `sys.getsizeof` counts it.
    Ring(u16),
    /// A scalar of NumPy, which counts this many bytes of its value once more; none: as its dtype says.
    Scalar(u8),
}

impl Outside {
    /// By the name that C gives the type or the nearest of its bases.
    pub(crate) fn by_name(name: &str, layout: &ObjectLayout) -> Option<Self> {
        Some(match name {
            "array.array" => Self::Array,
            "_io.BytesIO" => Self::BytesIo,
            "_io.BufferedReader" | "_io.BufferedWriter" | "_io.BufferedRandom" => Self::Buffered,
            "_struct.Struct" | "Struct" => Self::Struct,
            "xml.etree.ElementTree.Element" => Self::Element,
            "decimal.Decimal" => Self::Decimal,
            "itertools.combinations" | "itertools.combinations_with_replacement" => Self::Combinations,
            "itertools.permutations" => Self::Permutations,
            "itertools.product" => Self::Product,
            "mmap.mmap" => Self::Mapping,
            "StgDict" => Self::Description,
            "_ctypes.CType_Type" => Self::Class,
            "_queue.SimpleQueue" => Self::Ring(layout.queue_ring?),
            other => Self::Scalar(scalar(other.strip_prefix("numpy.")?)?),
        })
    }

    /// Bytes that `sys.getsizeof` adds.
    pub(crate) fn bytes(self, image: &Image, at: u64) -> Option<u64> {
        match self {
            Self::Mapping => Some(0),
            Self::Scalar(0) => {
                const DTYPE: u64 = 32;
                const LARGEST: u64 = 1 << 31;
                item_size(image, image.word_at(at, DTYPE)?).filter(|bytes| *bytes <= LARGEST)
            }
            Self::Description => {
                /// What it adds to a dictionary, which counts twice.
                const FIELDS: u64 = 144;
                Some(FIELDS + description(image, at + 64, at + 168)?)
            }
            Self::Scalar(bytes) => Some(u64::from(bytes)),
            Self::Element => {
                let (_, bytes) = self.buffer(image, at)?;
                let extra = image.word_at(at, 40)?;
                // Up to four children lie in the block itself.
                let (room, children) = (image.word_in(extra, 16)?, image.word_in(extra, 24)?);
                Some(bytes + if children == extra + 32 { 0 } else { room.min(ABSURD) * 8 })
            }
            Self::Permutations => {
                let pool = image.word_at(image.word_at(at, 16)?, 16)?;
                Some((pool.min(ABSURD) + image.word_at(at, 48)?.min(ABSURD)) * 8)
            }
            _ => self.buffer(image, at).map(|(_, bytes)| bytes),
        }
    }

    /// All buffers: an element has one for its children, permutations one for their cycles.
    pub(crate) fn buffers(self, image: &Image, at: u64) -> impl Iterator<Item = (u64, u64)> {
        let more = match self {
            Self::Element => image.word_at(at, 40).and_then(|extra| image.word_in(extra, 24)),
            Self::Permutations => image.word_at(at, 32),
            _ => None,
        };
        self.buffer(image, at).into_iter().chain(more.map(|buffer| (buffer, 0)))
    }

    /// The buffer: address and bytes.
    pub(crate) fn buffer(self, image: &Image, at: u64) -> Option<(u64, u64)> {
        let word = |offset: u64| image.word_at(at, offset);
        let (address, bytes) = match self {
            Self::Array => {
                let item = constant(image, word(40)?.wrapping_add(4))?;
                (word(24)?, word(32)?.min(ABSURD) * u64::from(item))
            }
            Self::BytesIo => {
                let own = word(16)?;
                // Who shares it counts it.
                let alone = count::of(image, own)? == Count::Of(1);
                (
                    own,
                    if alone { BYTES_HEAD + image.shift() + word_at_own(image, own)?.min(ABSURD) } else { 0 },
                )
            }
            Self::Buffered => (word(56)?, word(120)?.min(ABSURD)),
            Self::Struct => {
                /// One code: its definition, where and how large, how often; a last one ends the list.
                const CODE: u64 = 32;
                let codes = word(32)?;
                let used =
                    (0..1 << 20).take_while(|i| image.word_in(codes, i * CODE).is_some_and(|d| d != 0));
                (codes, (used.count() as u64 + 1) * CODE)
            }
            Self::Element => {
                const EXTRA: u64 = 64;
                (word(40)?, EXTRA)
            }
            Self::Decimal => {
                const STATIC: u64 = 0xe0;
                let own = word(24)? & STATIC != 0;
                (word(64)?, if own { 0 } else { word(56)?.min(ABSURD) * 8 })
            }
            Self::Combinations => (word(24)?, word(40)?.min(ABSURD) * 8),
            Self::Permutations => (word(24)?, image.word_at(word(16)?, 16)?.min(ABSURD) * 8),
            Self::Product => (word(24)?, image.word_at(word(16)?, 16)?.min(ABSURD) * 8),
            Self::Mapping => (word(16)?, word(24)?.min(ABSURD)),
            Self::Ring(ring) => {
                let ring = u64::from(ring);
                (word(ring)?, word(ring + 8)?.min(ABSURD) * 8)
            }
            Self::Scalar(_) | Self::Description | Self::Class => return None,
        };
        // Words that only look like such an object rarely lead anywhere. Pages that nobody touched are not there.
        let leads = image.mapping_of(address).and_then(|i| image.maps().get(i));
        let fits = leads.is_some_and(|m| bytes <= m.end - address);
        (address != 0 && bytes > 0 && fits).then_some((address, bytes))
    }
}

/// What describes the instances of a class of `ctypes` outside itself: types of the elements, format, dimensions. It is read
/// from the number of elements on and from the format on.
fn description(image: &Image, length: u64, format: u64) -> Option<u64> {
    const LONGEST: usize = 1 << 16;
    let (count, elements) = (image.word(length)?, image.word_in(length, 24)?);
    let (text, dimensions) = (image.word(format)?, image.word_in(format, 8)? & u64::from(u32::MAX));
    let text = image.c_string(text, LONGEST).filter(|_| text != 0).map_or(0, |text| text.len() as u64 + 1);
    let elements = if elements == 0 { 0 } else { (count.min(ABSURD) + 1) * 8 };
    Some(text + elements + dimensions * 8)
}

/// The same of a class that keeps its description behind its fields.
pub(super) fn class_description(image: &Image, layout: &ObjectLayout, class: u64) -> Option<u64> {
    const LENGTH: u64 = 24;
    let behind = class + u64::from(layout.heap_type_size).next_multiple_of(16);
    description(image, behind + LENGTH, behind + u64::from(layout.ctypes_format?))
}

/// `sys.getsizeof(b"")`.
pub(super) const BYTES_HEAD: u64 = 33;

fn word_at_own(image: &Image, bytes: u64) -> Option<u64> {
    image.word_at(bytes, 16)
}

/// A number that may lie among the constants of a file.
fn constant(image: &Image, at: u64) -> Option<u32> {
    use m5_process::Memory;
    image.half(at).or_else(|| image.u64(at).ok().map(|w| w as u32))
}

/// Bytes of the value of a scalar type; zero where its dtype says.
fn scalar(name: &str) -> Option<u8> {
    Some(match name {
        "bool" | "bool_" | "int8" | "uint8" => 1,
        "int16" | "uint16" | "float16" => 2,
        "int32" | "uint32" | "intc" | "uintc" | "float32" => 4,
        "int64" | "uint64" | "longlong" | "ulonglong" | "float64" | "complex64" => 8,
        "datetime64" | "timedelta64" | "object_" => 8,
        "longdouble" | "float128" | "complex128" => 16,
        "clongdouble" | "complex256" => 32,
        "void" => 0,
        _ => return None,
    })
}

/// Bytes of an element by its dtype. Up to NumPy 1 size and alignment are ints at 32 and 36; from NumPy 2 on flags lie
/// there and the size at 40.
pub(crate) fn item_size(image: &Image, dtype: u64) -> Option<u64> {
    let first = image.half_at(dtype, 36)? != 0;
    if first { image.half_at(dtype, 32).map(u64::from) } else { image.word_at(dtype, 40) }
}

/// The nearest base of a class whose instances keep something outside themselves.
pub(super) fn of(
    image: &Image,
    layout: &ObjectLayout,
    class: u64,
    name: impl Fn(u64) -> Option<String>,
) -> Option<Outside> {
    const DEEPEST: usize = 64;
    let mut at = class;
    for _ in 0..DEEPEST {
        let flags = image.word_at(at, tf::FLAGS).unwrap_or(0);
        let spelled = name(at).unwrap_or_default();
        // A class made by a `class` statement has a name without a dot.
        if (flags & tf::HEAP == 0 || spelled.contains('.'))
            && let Some(found) = Outside::by_name(&spelled, layout)
        {
            return Some(found);
        }
        match image.word_at(at, tf::BASE) {
            Some(base) if base != 0 && base != at => at = base,
            _ => break,
        }
    }
    None
}
