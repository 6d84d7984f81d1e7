//! The kinds of JPEG that the decoder is known to decode right: a corpus of kinds is compared with a second decoder.
//!
//! The decoder makes noise of some of the others and reports no error, so that they are refused by their headers.

use self::Refused::Unsupported;
use super::super::{Broken, Cursor};

const FRAME_BASELINE: u8 = 0xC0;
const FRAME_EXTENDED: u8 = 0xC1;
const FRAME_PROGRESSIVE: u8 = 0xC2;
const LINES_DEFINED: u8 = 0xDC;
const HIERARCHICAL: u8 = 0xDE;
const COMPONENTS_MAX: usize = 4;
/// Luminance per colour difference, across and down.
const SAMPLINGS: [u8; 5] = [0x11, 0x21, 0x12, 0x22, 0x41];

/// Why a file is not decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Broken(Broken),
    /// A valid file, as far as was read, of a kind that the decoder may make noise of.
    Unsupported(&'static str),
}

impl From<Broken> for Refused {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<Refused> for Broken {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Broken(broken) => broken,
            Unsupported(kind) => Self(kind),
        }
    }
}

/// What the headers say so far.
#[derive(Default)]
pub(super) struct Kind {
    frame: Option<Frame>,
    /// Adobe's segment says that the components are RGB or inks as they are.
    untransformed: bool,
}

#[derive(Clone, Copy)]
struct Frame {
    progressive: bool,
    components: usize,
    scans: usize,
}

impl Kind {
    /// How many components a pixel has.
    pub(super) fn components(&self) -> usize {
        self.frame.map_or(0, |frame| frame.components)
    }

    /// Refuses segments that only other kinds have.
    pub(super) fn learn(&mut self, marker: u8, body: &[u8]) -> Result<(), Refused> {
        match marker {
            FRAME_BASELINE | FRAME_EXTENDED | FRAME_PROGRESSIVE if self.frame.is_some() => {
                return Err(Broken("a second frame").into());
            }
            FRAME_BASELINE | FRAME_EXTENDED | FRAME_PROGRESSIVE => {
                self.frame = Some(Frame::read(body, marker == FRAME_PROGRESSIVE)?);
            }
            0xC3 => return Err(Unsupported("it is lossless")),
            0xC5..=0xC7 | HIERARCHICAL => return Err(Unsupported("it is hierarchical")),
            0xC9..=0xCF => return Err(Unsupported("it has arithmetic coding")),
            0xEE if body.starts_with(b"Adobe") => self.untransformed = body.get(11) == Some(&0),
            LINES_DEFINED => return Err(Unsupported("its height stands behind its pixels")),
            _ => {}
        }
        Ok(())
    }

    /// Refuses sequential files with several scans.
    pub(super) fn check_scan(&mut self, header: &[u8]) -> Result<(), Refused> {
        let frame = self.frame.as_mut().ok_or(Broken("a scan without a frame"))?;
        if self.untransformed && frame.components == 3 {
            return Err(Unsupported("it stores RGB"));
        }
        let components = header.first().copied().map_or(0, usize::from);
        if !frame.progressive && (components != frame.components || frame.scans > 0) {
            return Err(Unsupported("it has several scans and is not progressive"));
        }
        frame.scans += 1;
        Ok(())
    }
}

impl Frame {
    fn read(body: &[u8], progressive: bool) -> Result<Self, Refused> {
        let mut cursor = Cursor::new(body, 0);
        let [bits, height, height_low, _, _, components] = cursor.array()?;
        let components = usize::from(components);
        if bits != 8 {
            return Err(Unsupported("it does not have 8 bits per channel"));
        }
        if [height, height_low] == [0, 0] {
            return Err(Unsupported("its height stands behind its pixels"));
        }
        if components == 0 {
            return Err(Broken("no components").into());
        }
        if components > COMPONENTS_MAX {
            return Err(Unsupported("it has more than four components"));
        }
        let mut samplings = Vec::with_capacity(components);
        for _ in 0..components {
            let [_, sampling, _] = cursor.array()?;
            samplings.push(sampling);
        }
        let known = match samplings[..] {
            [luminance] => SAMPLINGS.contains(&luminance),
            [luminance, 0x11, 0x11] => SAMPLINGS.contains(&luminance),
            [0x11, 0x11, 0x11, 0x11] => true,
            _ => false,
        };
        if known {
            Ok(Self { progressive, components, scans: 0 })
        } else {
            Err(Unsupported("its colours are sampled in an unusual way"))
        }
    }
}
