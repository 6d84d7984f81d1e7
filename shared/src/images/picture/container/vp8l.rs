//! The codes of a lossless WebP stream (VP8L, and an ALPH chunk that is packed so): what a decoder holds for them.
//!
//! A picture may have 65,536 groups of codes, and a group of ten bytes unfolds to 70 kB. They are counted as `image-webp`
//! keeps them, and the pixels are left unread. Only the lengths of codes matter here, never what a pixel is.

use super::Broken;

/// The groups that a picture may tell apart: its number is 16 bits of a pixel.
const GROUPS_MAX: usize = 1 << 16;
/// What a group takes by itself, while the list of them grows to twice its length.
const GROUP_BYTES: u64 = 5 * 56 * 3;
/// Two pieces of memory, as the allocator rounds them.
const TREE_BYTES: u64 = 48;
const TABLE_ENTRY_BYTES: u64 = 4;
/// Two nodes for each symbol that the table has no room for.
const LONG_SYMBOL_BYTES: u64 = 2 * 16;
const TABLE_BITS_MAX: usize = 10;
const LENGTH_MAX: usize = 15;

const GREEN: usize = 0;
const DISTANCE: usize = 4;
/// Symbols of green and lengths, red, blue, alpha, distances.
const ALPHABETS: [usize; 5] = [256 + 24, 256, 256, 256, 40];
const LENGTHS_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

const CUT_OFF: Broken = Broken("the file is cut off");
const UNSOUND: Broken = Broken("a code that cannot be read");

/// Most bytes that the codes of the picture take. `stream` begins behind the picture's size.
pub(super) fn codes_bytes(stream: &[u8], (width, height): (u32, u32)) -> Result<u64, Broken> {
    let mut bits = Bits { bytes: stream, at: 0 };
    let width = walk_transforms(&mut bits, width, height)?;
    let cached = cached_colours(&mut bits)?;
    let mut groups = 1;
    if bits.take(1)? == 1 {
        let side = bits.take(3)? + 2;
        walk_picture(&mut bits, width.div_ceil(1 << side), height.div_ceil(1 << side))?;
        // Their number is one of the values just passed. Where there are fewer, pixels are read as if they were codes:
        // that ends at once, for pixels hardly ever are a sound code.
        groups = GROUPS_MAX;
    }
    let mut bytes = 0;
    for _ in 0..groups {
        let Ok(group) = read_group(&mut bits, cached) else { break };
        bytes += GROUP_BYTES + group.iter().map(Code::bytes).sum::<u64>();
    }
    Ok(bytes)
}

/// Gives the width of the picture as it is stored.
fn walk_transforms(bits: &mut Bits<'_>, mut width: u32, height: u32) -> Result<u32, Broken> {
    let mut seen = [false; 4];
    while bits.take(1)? == 1 {
        let kind = bits.take(2)?;
        if std::mem::replace(&mut seen[kind], true) {
            return Err(Broken("a transform that comes twice"));
        }
        match kind {
            0 | 1 => {
                let side = bits.take(3)? + 2;
                walk_picture(bits, width.div_ceil(1 << side), height.div_ceil(1 << side))?;
            }
            2 => {}
            _ => {
                let colours = u32::try_from(bits.take(8)? + 1).expect("eight bits");
                walk_picture(bits, colours, 1)?;
                let packed = match colours {
                    0..=2 => 8,
                    3..=4 => 4,
                    5..=16 => 2,
                    _ => 1,
                };
                width = width.div_ceil(packed);
            }
        }
    }
    Ok(width)
}

/// Passes a picture inside the picture, which has one group of codes.
fn walk_picture(bits: &mut Bits<'_>, width: u32, height: u32) -> Result<(), Broken> {
    let cached = cached_colours(bits)?;
    let group = read_group(bits, cached)?;
    let pixels = u64::from(width) * u64::from(height);
    let flat = group[..DISTANCE].iter().all(|code| matches!(code, Code::Single(_)));
    if flat && group[GREEN].symbol(bits)? < 256 {
        return Ok(());
    }
    let mut passed = 0;
    while passed < pixels {
        let green = group[GREEN].symbol(bits)?;
        passed += 1;
        if green < 256 {
            for code in &group[1..DISTANCE] {
                code.symbol(bits)?;
            }
        } else if green < ALPHABETS[GREEN] {
            let length = read_extra(bits, green - 256)?;
            let distance = group[DISTANCE].symbol(bits)?;
            read_extra(bits, distance)?;
            passed += length as u64 - 1;
        }
    }
    if passed > pixels { Err(Broken("pixels beyond the picture")) } else { Ok(()) }
}

/// A length or a distance by its symbol: at least one.
fn read_extra(bits: &mut Bits<'_>, symbol: usize) -> Result<usize, Broken> {
    if symbol < 4 {
        return Ok(symbol + 1);
    }
    let extra = (symbol - 2) / 2;
    Ok(((2 + symbol % 2) << extra) + bits.take(extra)? + 1)
}

/// How many colours can be named by a number of their own.
fn cached_colours(bits: &mut Bits<'_>) -> Result<usize, Broken> {
    if bits.take(1)? == 0 {
        return Ok(0);
    }
    match bits.take(4)? {
        count @ 1..=11 => Ok(1 << count),
        _ => Err(Broken("more colours than can be kept")),
    }
}

fn read_group(bits: &mut Bits<'_>, cached: usize) -> Result<Vec<Code>, Broken> {
    let alphabets = ALPHABETS.iter().enumerate();
    alphabets.map(|(n, size)| read_code(bits, if n == GREEN { size + cached } else { *size })).collect()
}

fn read_code(bits: &mut Bits<'_>, alphabet: usize) -> Result<Code, Broken> {
    if bits.take(1)? == 0 {
        return Code::of(&read_lengths(bits, alphabet)?);
    }
    let two = bits.take(1)? == 1;
    let width = if bits.take(1)? == 1 { 8 } else { 1 };
    let first = bits.take(width)?;
    let symbols = if two { vec![first, bits.take(8)?] } else { vec![first] };
    if symbols.iter().any(|symbol| *symbol >= alphabet) {
        return Err(UNSOUND);
    }
    let mut counts = [0; LENGTH_MAX + 1];
    counts[1] = symbols.len();
    Ok(if two { Code::Tree { counts, symbols } } else { Code::Single(first) })
}

/// The lengths of all the symbols of a code, which themselves are written in a code.
fn read_lengths(bits: &mut Bits<'_>, alphabet: usize) -> Result<Vec<usize>, Broken> {
    let mut own = [0; LENGTHS_ORDER.len()];
    let given = 4 + bits.take(4)?;
    for symbol in &LENGTHS_ORDER[..given] {
        own[*symbol] = bits.take(3)?;
    }
    let code = Code::of(&own)?;
    let mut left = alphabet;
    if bits.take(1)? == 1 {
        let width = 2 + 2 * bits.take(3)?;
        left = 2 + bits.take(width)?;
        if left > alphabet {
            return Err(UNSOUND);
        }
    }
    let mut lengths = Vec::with_capacity(alphabet);
    let mut previous = 8;
    while lengths.len() < alphabet && left > 0 {
        left -= 1;
        let (length, repeated) = match code.symbol(bits)? {
            16 => (previous, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length, 1),
        };
        if length > 0 {
            previous = length;
        }
        if lengths.len() + repeated > alphabet {
            return Err(UNSOUND);
        }
        lengths.resize(lengths.len() + repeated, length);
    }
    Ok(lengths)
}

/// A code, by which symbols are read.
enum Code {
    /// A symbol that takes no bit.
    Single(usize),
    /// How many symbols have each length, and the symbols from the shortest on.
    Tree { counts: [usize; LENGTH_MAX + 1], symbols: Vec<usize> },
}

impl Code {
    fn of(lengths: &[usize]) -> Result<Self, Broken> {
        let mut counts = [0; LENGTH_MAX + 1];
        for length in lengths.iter().filter(|length| **length > 0) {
            counts[*length] += 1;
        }
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|symbol| lengths[*symbol] > 0).collect();
        if let [symbol] = symbols[..] {
            return Ok(Self::Single(symbol));
        }
        let longest = counts.iter().rposition(|count| *count > 0).ok_or(UNSOUND)?;
        let space: usize = (1..=longest).map(|length| counts[length] << (longest - length)).sum();
        if space != 1 << longest {
            // The decoder counts in 16 bits and may take some of these: they are counted, and not read by.
            let taken = longest == LENGTH_MAX && space.is_multiple_of(1 << LENGTH_MAX);
            return if taken { Ok(Self::Tree { counts, symbols: Vec::new() }) } else { Err(UNSOUND) };
        }
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        Ok(Self::Tree { counts, symbols })
    }

    /// What the decoder holds for it.
    fn bytes(&self) -> u64 {
        let Self::Tree { counts, .. } = self else { return 0 };
        let longest = counts.iter().rposition(|count| *count > 0).unwrap_or(0);
        let table = 1_u64 << longest.min(TABLE_BITS_MAX);
        let long: usize = counts[TABLE_BITS_MAX + 1..].iter().sum();
        TREE_BYTES + table * TABLE_ENTRY_BYTES + (long as u64).max(2) * LONG_SYMBOL_BYTES
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Result<usize, Broken> {
        let (counts, symbols) = match self {
            Self::Single(symbol) => return Ok(*symbol),
            Self::Tree { counts, symbols } => (counts, symbols),
        };
        let (mut code, mut first, mut shorter) = (0, 0, 0);
        for count in &counts[1..] {
            code = code << 1 | bits.take(1)?;
            first <<= 1;
            if code - first < *count {
                return symbols.get(shorter + code - first).copied().ok_or(UNSOUND);
            }
            first += count;
            shorter += count;
        }
        Err(UNSOUND)
    }
}

/// Reads bits, the lowest of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Result<usize, Broken> {
        let mut value = 0;
        for n in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(CUT_OFF)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << n;
            self.at += 1;
        }
        Ok(value)
    }
}
