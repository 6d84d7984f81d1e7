//! GIF: a screen, then extensions and frames up to the trailer. Metadata stays: clips are never rewritten.

use super::{Broken, Cursor, Survey};

const EXTENSION: u8 = 0x21;
const FRAME: u8 = 0x2C;
const TRAILER: u8 = 0x3B;

pub(super) fn survey(file: &[u8]) -> Result<Survey, Broken> {
    let mut cursor = Cursor::new(file, 10);
    skip_colours(&mut cursor, 2)?;
    let mut frames = 0_usize;
    loop {
        match cursor.byte()? {
            TRAILER => break,
            EXTENSION => {
                cursor.byte()?;
                skip_blocks(&mut cursor)?;
            }
            FRAME => {
                frames += 1;
                cursor.take(8)?;
                skip_colours(&mut cursor, 0)?;
                cursor.byte()?;
                skip_blocks(&mut cursor)?;
            }
            _ => return Err(Broken("a block of no known kind")),
        }
    }
    if frames == 0 {
        return Err(Broken("no picture in the file"));
    }
    Ok(Survey { animated: frames > 1, stripped: None, rgb: false })
}

/// Passes the flags, `gap` bytes, and the colour table that the flags announce.
fn skip_colours(cursor: &mut Cursor<'_>, gap: usize) -> Result<(), Broken> {
    let flags = cursor.byte()?;
    cursor.take(gap)?;
    if flags & 0x80 != 0 {
        cursor.take(3 << ((flags & 0x07) + 1))?;
    }
    Ok(())
}

fn skip_blocks(cursor: &mut Cursor<'_>) -> Result<(), Broken> {
    loop {
        match cursor.byte()? {
            0 => return Ok(()),
            length => cursor.take(usize::from(length))?,
        };
    }
}
