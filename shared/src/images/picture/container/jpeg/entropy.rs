//! The compressed data of a JPEG, walked symbol by symbol, without making a pixel of it.
//!
//! Decoders fill in grey where data is missing or makes no sense, and call that a picture. Only counting the blocks tells
//! whether all of them are there. Of a progressive file only the first scans are walked, which hold the mean of every
//! block: what a cut takes from the others is sharpness.

use super::super::{Broken, Cursor};

const FRAME_BASELINE: u8 = 0xC0;
const FRAME_EXTENDED: u8 = 0xC1;
const FRAME_PROGRESSIVE: u8 = 0xC2;
const HUFFMAN_TABLES: u8 = 0xC4;
const RESTART_INTERVAL: u8 = 0xDD;
/// Longest code, in bits.
const CODE_BITS: usize = 16;
const COEFFICIENTS: usize = 64;
const TABLES: usize = 4;

/// What the segments before a scan say of it.
#[derive(Default)]
pub(super) struct Entropy {
    frame: Option<Frame>,
    /// For a block's mean and for its other coefficients.
    tables: [[Option<Table>; TABLES]; 2],
    restart_interval: usize,
}

#[derive(Clone, Copy)]
struct Component {
    id: u8,
    across: usize,
    down: usize,
}

struct Frame {
    progressive: bool,
    width: usize,
    height: usize,
    components: Vec<Component>,
}

/// The tables of a block's mean and of its other coefficients, if they are in the same scan.
type Coding<'a> = (&'a Table, Option<&'a Table>);

/// The blocks that a scan repeats, and how often.
struct Plan<'a> {
    blocks: Vec<Coding<'a>>,
    across: usize,
    down: usize,
}

impl Entropy {
    /// Remembers what a segment says.
    pub(super) fn learn(&mut self, marker: u8, body: &[u8]) -> Result<(), Broken> {
        let mut cursor = Cursor::new(body, 0);
        match marker {
            FRAME_BASELINE | FRAME_EXTENDED => self.frame = Some(Frame::read(&mut cursor, false)?),
            FRAME_PROGRESSIVE => self.frame = Some(Frame::read(&mut cursor, true)?),
            RESTART_INTERVAL => self.restart_interval = usize::from(u16::from_be_bytes(cursor.array()?)),
            HUFFMAN_TABLES => {
                while !cursor.is_at_end() {
                    let which = cursor.byte()?;
                    let table = Table::read(&mut cursor)?;
                    let kind = self.tables.get_mut(usize::from(which >> 4));
                    let slot = kind.and_then(|tables| tables.get_mut(usize::from(which & 0x0F)));
                    *slot.ok_or(Broken("a code table that no file has"))? = Some(table);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Walks the blocks of one scan.
    ///
    /// Less than a row of them may be missing at the end: there are cameras that stop a little early.
    pub(super) fn check(&self, header: &[u8], data: &[u8]) -> Result<(), Broken> {
        let Some(frame) = &self.frame else { return Ok(()) };
        let Some(Plan { blocks, across, down }) = self.plan(frame, header)? else { return Ok(()) };
        let mut bits = Bits::new(data);
        for unit in 0..across * down {
            if self.restart_interval > 0 && unit > 0 && unit % self.restart_interval == 0 {
                bits.restart();
            }
            if let Err(broken) = blocks.iter().try_for_each(|coding| bits.pass_block(*coding)) {
                return if across * down - unit < across { Ok(()) } else { Err(broken) };
            }
        }
        Ok(())
    }

    /// What there is to walk in a scan; `None` where that cannot be said.
    fn plan(&self, frame: &Frame, header: &[u8]) -> Result<Option<Plan<'_>>, Broken> {
        let mut cursor = Cursor::new(header, 0);
        let count = usize::from(cursor.byte()?);
        let mut parts = Vec::with_capacity(count);
        for _ in 0..count {
            let id = cursor.byte()?;
            let component = frame.components.iter().find(|component| component.id == id);
            parts.push((*component.ok_or(Broken("a scan of a component that is not there"))?, cursor.byte()?));
        }
        let [first, _, steps] = cursor.array()?;
        if frame.progressive && (first != 0 || steps >> 4 != 0) {
            return Ok(None);
        }
        let single = if let [(component, _)] = parts[..] { Some(component) } else { None };
        let mut blocks = Vec::new();
        for (component, tables) in parts {
            // Without its tables it cannot be walked, and whether it can be decoded is the decoder's to say.
            let Some(coding) = self.coding(tables, frame.progressive) else { return Ok(None) };
            let repeated = if single.is_some() { 1 } else { component.across * component.down };
            blocks.extend(std::iter::repeat_n(coding, repeated));
        }
        let (across, down) = frame.units(single);
        Ok((!blocks.is_empty()).then_some(Plan { blocks, across, down }))
    }

    fn coding(&self, tables: u8, progressive: bool) -> Option<Coding<'_>> {
        let [means, others] = &self.tables;
        let mean = means.get(usize::from(tables >> 4))?.as_ref()?;
        if progressive {
            return Some((mean, None));
        }
        Some((mean, Some(others.get(usize::from(tables & 0x0F))?.as_ref()?)))
    }
}

impl Frame {
    fn read(cursor: &mut Cursor<'_>, progressive: bool) -> Result<Self, Broken> {
        cursor.byte()?;
        let height = usize::from(u16::from_be_bytes(cursor.array()?));
        let width = usize::from(u16::from_be_bytes(cursor.array()?));
        let mut components = Vec::new();
        for _ in 0..cursor.byte()? {
            let [id, sampling, _] = cursor.array()?;
            let (across, down) = (usize::from(sampling >> 4), usize::from(sampling & 0x0F));
            if !(1..=4).contains(&across) || !(1..=4).contains(&down) {
                return Err(Broken("a sampling that no file has"));
            }
            components.push(Component { id, across, down });
        }
        Ok(Self { progressive, width, height, components })
    }

    /// How many units a scan has in a row, and how many rows: blocks of its one component, or sets of blocks of several.
    fn units(&self, single: Option<Component>) -> (usize, usize) {
        let across_max = self.components.iter().map(|component| component.across).max().unwrap_or(1);
        let down_max = self.components.iter().map(|component| component.down).max().unwrap_or(1);
        match single {
            Some(component) => (
                (self.width * component.across).div_ceil(across_max).div_ceil(8),
                (self.height * component.down).div_ceil(down_max).div_ceil(8),
            ),
            None => (self.width.div_ceil(8 * across_max), self.height.div_ceil(8 * down_max)),
        }
    }
}

/// A canonical Huffman code.
struct Table {
    /// By length: the first pattern of [`CODE_BITS`] bits that is no code of this length or a shorter one.
    limits: [u32; CODE_BITS],
    /// By length: what to add to a code for its place among the symbols.
    offsets: [u32; CODE_BITS],
    symbols: Vec<u8>,
}

impl Table {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Broken> {
        let counts: [u8; CODE_BITS] = cursor.array()?;
        let (mut limits, mut offsets) = ([0; CODE_BITS], [0; CODE_BITS]);
        let (mut code, mut place) = (0_u32, 0_u32);
        for (at, count) in counts.iter().enumerate() {
            code <<= 1;
            offsets[at] = place.wrapping_sub(code);
            code += u32::from(*count);
            place += u32::from(*count);
            limits[at] = code << (CODE_BITS - 1 - at);
            if limits[at] > 1 << CODE_BITS {
                return Err(Broken("more codes than there can be"));
            }
        }
        let symbols = cursor.take(counts.iter().map(|count| usize::from(*count)).sum())?.to_vec();
        Ok(Self { limits, offsets, symbols })
    }
}

/// The bits of a scan, up to the next restart.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The last bits read, of which `held` are not yet used.
    buffer: u64,
    held: usize,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, buffer: 0, held: 0 }
    }

    /// Goes on behind the next restart marker; where there is none, at the end.
    fn restart(&mut self) {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let marker = rest.windows(2).position(|pair| pair[0] == 0xFF && matches!(pair[1], 0xD0..=0xD7));
        *self = Self { at: marker.map_or(self.data.len(), |marker| self.at + marker + 2), ..Self::new(self.data) };
    }

    /// Passes one block: its mean, then runs of zeros with a coefficient behind each.
    fn pass_block(&mut self, (mean, others): Coding<'_>) -> Result<(), Broken> {
        let size = self.symbol(mean)?;
        self.pass(usize::from(size & 0x0F))?;
        let Some(others) = others else { return Ok(()) };
        let mut passed = 1;
        while passed < COEFFICIENTS {
            let (run, size) = match self.symbol(others)? {
                0xF0 => (16, 0),
                symbol if symbol & 0x0F == 0 => break,
                symbol => (usize::from(symbol >> 4) + 1, usize::from(symbol & 0x0F)),
            };
            self.pass(size)?;
            passed += run;
        }
        Ok(())
    }

    fn symbol(&mut self, table: &Table) -> Result<u8, Broken> {
        self.fill();
        // Left-aligned; behind the last bit follow zeros, which `pass` does not let pass.
        let next = (self.buffer << CODE_BITS >> self.held) & 0xFFFF;
        let next = u32::try_from(next).expect("sixteen bits");
        let at = table.limits.iter().position(|limit| next < *limit).ok_or(Broken("a code that means nothing"))?;
        self.pass(at + 1)?;
        let place = table.offsets[at].wrapping_add(next >> (CODE_BITS - 1 - at));
        let symbol = usize::try_from(place).ok().and_then(|place| table.symbols.get(place));
        symbol.copied().ok_or(Broken("a code that means nothing"))
    }

    fn pass(&mut self, count: usize) -> Result<(), Broken> {
        if self.held < count {
            self.fill();
        }
        self.held = self.held.checked_sub(count).ok_or(Broken("its data ends early"))?;
        Ok(())
    }

    /// Reads on while there is room and no restart stands in the way.
    fn fill(&mut self) {
        while self.held <= 32 {
            let byte = match self.data.get(self.at..) {
                Some([0xFF, 0x00, ..]) => {
                    self.at += 1;
                    0xFF
                }
                Some([0xFF, ..]) | Some([]) | None => return,
                Some([byte, ..]) => *byte,
            };
            self.at += 1;
            self.buffer = self.buffer << 8 | u64::from(byte);
            self.held += 8;
        }
    }
}
