//! Looks up a dynamic symbol in an ELF image as it lies in a process: no file is opened, so a deleted file, a
//! container's file and a replaced one are all read right, in a dozen small reads.

use m5_process::{Memory, Result};
use object::LittleEndian as LE;
use object::elf::{
    DT_GNU_HASH, DT_HASH, DT_NULL, DT_STRTAB, DT_SYMTAB, Dyn64, ELFCLASS64, ELFDATA2LSB, ELFMAG, EV_CURRENT,
    FileHeader64, PT_DYNAMIC, PT_LOAD, ProgramHeader64, ProgramType, SHN_UNDEF, Sym64,
};
use object::pod;

const FILE_HEADER: usize = size_of::<FileHeader64<LE>>();
const PROGRAM_HEADER: usize = size_of::<ProgramHeader64<LE>>();
const SYMBOL: usize = size_of::<Sym64<LE>>();

/// The most that a foreign image may make us read.
const MAX_HEADERS: usize = 128;
const MAX_DYNAMIC: u64 = 64 << 10;
const MAX_CHAIN: u64 = 1 << 16;

/// A loaded ELF image with a dynamic symbol table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    bias: u64,
    symtab: u64,
    strtab: u64,
    gnu_hash: Option<u64>,
    sysv_hash: Option<u64>,
}

/// A symbol that the image defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol {
    /// Address in the process.
    pub address: u64,
    /// Size in bytes.
    pub size: u64,
}

impl Image {
    /// Reads the headers of the image whose first byte is mapped at `base`; `None` where it is no 64-bit
    /// little-endian ELF image with dynamic symbols.
    ///
    /// # Errors
    /// Where the process has ended or may not be read; addresses that the image itself names wrongly are no error
    /// but `None`.
    pub fn open(memory: &impl Memory, base: u64) -> Result<Option<Self>> {
        absent(Self::read(memory, base))
    }

    fn read(memory: &impl Memory, base: u64) -> Result<Option<Self>> {
        let Some(programs) = Programs::read(memory, base)? else { return Ok(None) };
        let dynamic = programs.of(PT_DYNAMIC).next_back();
        let (Some(bias), Some(dynamic)) = (programs.bias(base), dynamic) else { return Ok(None) };
        let mut entries = vec![0; dynamic.p_memsz.get(LE).min(MAX_DYNAMIC) as usize];
        memory.read(bias.wrapping_add(dynamic.p_vaddr.get(LE)), &mut entries)?;
        Ok(Self::from_dynamic(bias, &entries))
    }

    fn from_dynamic(bias: u64, entries: &[u8]) -> Option<Self> {
        // glibc relocates these addresses in place, musl leaves them as they were linked.
        let absolute = |value: u64| if value < bias { value.wrapping_add(bias) } else { value };
        let (entries, _) =
            pod::slice_from_bytes::<Dyn64<LE>>(entries, entries.len() / size_of::<Dyn64<LE>>()).ok()?;
        let find = |tag| {
            let mut known = entries.iter().take_while(|e| e.d_tag.get(LE) != DT_NULL);
            known.find(|e| e.d_tag.get(LE) == tag).map(|e| absolute(e.d_val.get(LE)))
        };
        Some(Self {
            bias,
            symtab: find(DT_SYMTAB)?,
            strtab: find(DT_STRTAB)?,
            gnu_hash: find(DT_GNU_HASH),
            sysv_hash: find(DT_HASH),
        })
    }

    /// Difference between an address in the process and the same address in the file.
    #[must_use]
    pub fn bias(&self) -> u64 {
        self.bias
    }

    /// Looks up a symbol that this image defines.
    ///
    /// # Errors
    /// Where the process has ended or may not be read. A table that leads out of the image is no error: nothing is
    /// found.
    pub fn symbol(&self, memory: &impl Memory, name: &str) -> Result<Option<Symbol>> {
        let found = match (self.gnu_hash, self.sysv_hash) {
            (Some(table), _) => self.by_gnu_hash(memory, table, name),
            (None, Some(table)) => self.by_sysv_hash(memory, table, name),
            (None, None) => Ok(None),
        };
        absent(found)
    }

    fn by_gnu_hash(&self, memory: &impl Memory, table: u64, name: &str) -> Result<Option<Symbol>> {
        let header: [u8; 16] = memory.bytes(table)?;
        let [buckets, first, blooms, shift] = [0, 4, 8, 12].map(|at| u64::from(int(&header, at)));
        if buckets == 0 || blooms == 0 || shift > 31 {
            return Ok(None);
        }
        let hash = gnu_hash(name);
        let bloom = memory.u64(table.wrapping_add(16 + 8 * (u64::from(hash) / 64 % blooms)))?;
        let bits = (1u64 << (hash % 64)) | (1u64 << ((hash >> shift) % 64));
        if bloom & bits != bits {
            return Ok(None);
        }
        let bucket_at = table.wrapping_add(16 + 8 * blooms);
        let chain_at = bucket_at.wrapping_add(4 * buckets);
        let start = u64::from(uint(memory, bucket_at.wrapping_add(4 * (u64::from(hash) % buckets)))?);
        for index in start.max(first)..start.saturating_add(MAX_CHAIN) {
            if start < first {
                break;
            }
            let link = uint(memory, chain_at.wrapping_add(4 * (index - first)))?;
            if link | 1 == hash | 1
                && let Some(symbol) = self.entry(memory, index, name)?
            {
                return Ok(Some(symbol));
            }
            if link & 1 == 1 {
                break;
            }
        }
        Ok(None)
    }

    fn by_sysv_hash(&self, memory: &impl Memory, table: u64, name: &str) -> Result<Option<Symbol>> {
        let buckets = u64::from(uint(memory, table)?);
        if buckets == 0 {
            return Ok(None);
        }
        let bucket_at = table.wrapping_add(8);
        let chain_at = bucket_at.wrapping_add(4 * buckets);
        let hash = u64::from(sysv_hash(name));
        let mut index = u64::from(uint(memory, bucket_at.wrapping_add(4 * (hash % buckets)))?);
        for _ in 0..MAX_CHAIN {
            if index == 0 {
                break;
            }
            if let Some(symbol) = self.entry(memory, index, name)? {
                return Ok(Some(symbol));
            }
            index = u64::from(uint(memory, chain_at.wrapping_add(4 * index))?);
        }
        Ok(None)
    }

    /// The symbol at an index of the table, where it has this name and is defined here.
    fn entry(&self, memory: &impl Memory, index: u64, name: &str) -> Result<Option<Symbol>> {
        let entry: [u8; SYMBOL] = memory.bytes(self.symtab.wrapping_add(SYMBOL as u64 * index))?;
        let mut text = vec![0; name.len() + 1];
        let Ok((entry, _)) = pod::from_bytes::<Sym64<LE>>(&entry) else { return Ok(None) };
        memory.read(self.strtab.wrapping_add(u64::from(entry.st_name.get(LE))), &mut text)?;
        let defined = entry.st_shndx.get(LE) != SHN_UNDEF;
        let named = text.split_last() == Some((&0, name.as_bytes()));
        let address = entry.st_value.get(LE).wrapping_add(self.bias);
        Ok((defined && named).then(|| Symbol { address, size: entry.st_size.get(LE) }))
    }
}

/// One past the last byte of the memory that an image asks for, whose first byte is mapped at `base`: behind it the
/// kernel may have joined what is not the image's. `None` where it is no 64-bit little-endian ELF image.
///
/// # Errors
/// As [`Image::open`].
pub fn end(memory: &impl Memory, base: u64) -> Result<Option<u64>> {
    let Some(programs) = absent(Programs::read(memory, base))? else { return Ok(None) };
    let last = programs.of(PT_LOAD).map(|p| p.p_vaddr.get(LE).saturating_add(p.p_memsz.get(LE))).max();
    Ok(programs.bias(base).zip(last).map(|(bias, last)| bias.wrapping_add(last)))
}

/// The program headers of an image.
struct Programs(Vec<ProgramHeader64<LE>>);

impl Programs {
    fn read(memory: &impl Memory, base: u64) -> Result<Option<Self>> {
        let header: [u8; FILE_HEADER] = memory.bytes(base)?;
        let Ok((header, _)) = pod::from_bytes::<FileHeader64<LE>>(&header) else { return Ok(None) };
        let (ident, count) = (&header.e_ident, usize::from(header.e_phnum.get(LE)));
        let sound = ident.magic == ELFMAG
            && (ident.class, ident.data, ident.version) == (ELFCLASS64, ELFDATA2LSB, EV_CURRENT)
            && usize::from(header.e_phentsize.get(LE)) == PROGRAM_HEADER
            && count <= MAX_HEADERS;
        if !sound {
            return Ok(None);
        }
        let mut headers = vec![0; count * PROGRAM_HEADER];
        memory.read(base.wrapping_add(header.e_phoff.get(LE)), &mut headers)?;
        Ok(pod::slice_from_all_bytes(&headers).ok().map(|all| Self(all.to_vec())))
    }

    fn of(&self, kind: ProgramType) -> impl DoubleEndedIterator<Item = &ProgramHeader64<LE>> {
        self.0.iter().filter(move |p| p.p_type.get(LE) == kind)
    }

    /// Difference between an address in the process and the same address in the file.
    fn bias(&self, base: u64) -> Option<u64> {
        let first = self.of(PT_LOAD).next()?;
        Some(base.wrapping_sub(first.p_vaddr.get(LE).wrapping_sub(first.p_offset.get(LE))))
    }
}

/// An image may name addresses that are not mapped: then it has no such symbol.
fn absent<T>(found: Result<Option<T>>) -> Result<Option<T>> {
    match found {
        Err(m5_process::Error::Unmapped { .. }) => Ok(None),
        other => other,
    }
}

fn gnu_hash(name: &str) -> u32 {
    name.bytes().fold(5381, |h: u32, b| h.wrapping_mul(33).wrapping_add(u32::from(b)))
}

fn sysv_hash(name: &str) -> u32 {
    name.bytes().fold(0, |h: u32, b| {
        let h = (h << 4).wrapping_add(u32::from(b));
        let high = h & 0xf000_0000;
        (h ^ (high >> 24)) & !high
    })
}

fn uint(memory: &impl Memory, addr: u64) -> Result<u32> {
    memory.bytes(addr).map(u32::from_le_bytes)
}

fn int(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use m5_process::{BufferMemory, Process};
    use proptest::prelude::*;

    #[test]
    fn finds_a_function_of_the_c_library_in_this_process() {
        let me = Process::open(std::process::id() as i32).unwrap();
        let maps = me.maps().unwrap();
        let libc = maps.iter().find(|m| m.path.contains("libc.so") && m.offset == 0).unwrap();
        let memory = me.memory();
        let image = Image::open(&memory, libc.start).unwrap().unwrap();
        let found = image.symbol(&memory, "getpid").unwrap().unwrap();
        assert_eq!(found.address, libc::getpid as *const () as u64);
        assert!(image.symbol(&memory, "_PyRuntime").unwrap().is_none());
        let by_sysv = Image { gnu_hash: None, ..image };
        if by_sysv.sysv_hash.is_some() {
            assert_eq!(by_sysv.symbol(&memory, "getpid").unwrap(), Some(found));
        }
    }

    #[test]
    fn hashes_are_the_published_ones() {
        assert_eq!((gnu_hash("printf"), gnu_hash("")), (0x156b_2bb8, 5381));
        assert_eq!((sysv_hash("printf"), sysv_hash("")), (0x0779_05a6, 0));
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(
            mut data in proptest::collection::vec(any::<u8>(), 64..900),
            headers in 0u8..6,
            kinds in proptest::collection::vec(0u32..4, 6),
            base in prop_oneof![Just(0u64), Just(0x5555_0000), any::<u64>()],
        ) {
            data[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
            data[32..40].copy_from_slice(&64u64.to_le_bytes());
            data[54..58].copy_from_slice(&[56, 0, headers, 0]);
            for (i, kind) in kinds.iter().enumerate() {
                if let Some(slot) = data.get_mut(64 + i * 56..68 + i * 56) {
                    slot.copy_from_slice(&kind.to_le_bytes());
                }
            }
            let memory = BufferMemory::new(base, data);
            if let Ok(Some(image)) = Image::open(&memory, base) {
                let _ = image.symbol(&memory, "_PyRuntime");
            }
        }

        #[test]
        fn foreign_hash_tables_never_panic_or_hang(
            data in proptest::collection::vec(any::<u8>(), 0..600),
            at in 0u64..64,
            gnu in any::<bool>(),
        ) {
            let (gnu_hash, sysv_hash) = if gnu { (Some(at), None) } else { (None, Some(at)) };
            let image = Image { bias: 0, symtab: 16, strtab: 32, gnu_hash, sysv_hash };
            let _ = image.symbol(&BufferMemory::new(0, data), "_PyRuntime");
        }
    }
}
