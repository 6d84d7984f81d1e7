//! Text out of an 8 by 8 pixel font, as large as its band allows.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};

use super::canvas::{Canvas, Color};

/// Pixels of a glyph's side, at its smallest.
const GLYPH: usize = 8;
/// Lines at most; what does not fit into them is left out.
const LINES_MAX: usize = 3;
/// Letters of a line before it is broken.
const LINE_CHARS: usize = 22;
/// The greatest factor letters are enlarged by.
const SCALE_MAX: usize = 16;
/// What stands for a letter the font does not have.
const UNKNOWN: [u8; GLYPH] = [0, 0x7e, 0x7e, 0x7e, 0x7e, 0x7e, 0x7e, 0];

/// Writes in the middle of the band, whose edges are shares of the height.
pub(super) fn write(canvas: &mut Canvas, text: &str, (top, bottom): (f32, f32), color: Color, font: &str) {
    let lines = lines(text);
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).max(1);
    let (width, height) = canvas.size();
    let pixels = |pixels: i64| usize::try_from(pixels).unwrap_or(0);
    let (width, top, bottom) = (
        pixels(i64::from(width)),
        pixels(super::layer::share(height, top)),
        pixels(super::layer::share(height, bottom)),
    );
    let room = (bottom - top) * 8 / 10 / (lines.len().max(1) * (GLYPH + 2));
    let scale = (width * 9 / 10 / (longest * GLYPH)).min(room).clamp(1, SCALE_MAX);
    let line_height = (GLYPH + 2) * scale;
    let first = usize::midpoint(top, bottom).saturating_sub(lines.len() * line_height / 2);
    for (row, line) in lines.iter().enumerate() {
        let length = line.chars().count() * GLYPH * scale;
        let mut left = width.saturating_sub(length) / 2;
        for letter in line.chars() {
            glyph(canvas, letter, (left, first + row * line_height), scale, color, font);
            left += GLYPH * scale;
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().take(LINE_CHARS).collect();
        match lines.pop() {
            None => lines.push(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE_CHARS => {
                lines.push(format!("{line} {word}"));
            }
            Some(line) => {
                lines.push(line);
                if lines.len() == LINES_MAX {
                    break;
                }
                lines.push(word);
            }
        }
    }
    lines
}

fn glyph(canvas: &mut Canvas, letter: char, (left, top): (usize, usize), scale: usize, color: Color, font: &str) {
    let rows = BASIC_FONTS.get(letter).or_else(|| LATIN_FONTS.get(letter)).unwrap_or(UNKNOWN);
    // Bold letters are struck broader, elegant ones lean.
    let broad = if font == "bold" { scale + scale.div_ceil(2) } else { scale };
    for (row, bits) in rows.into_iter().enumerate() {
        let lean = if font == "elegant" { (GLYPH - row) * scale / 4 } else { 0 };
        for column in (0..GLYPH).filter(|column| bits >> column & 1 == 1) {
            canvas.pixels((left + column * scale + lean, top + row * scale), (broad, scale), color);
        }
    }
}
