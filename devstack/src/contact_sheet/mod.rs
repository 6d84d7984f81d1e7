//! Many pictures on one: tiles in a grid, each with its name, size and format below it.

mod lettering;
mod preview;
mod tile;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

use crate::samples;
use lettering::Style;

/// Tiles side by side.
const COLUMNS: u32 = 5;
/// Between tiles, and around all of them.
const GAP: u32 = 18;
const MARGIN: u32 = 34;
/// The title, and the heading of each section.
const TITLE_HEIGHT: u32 = 44;
const HEADING_HEIGHT: u32 = 34;
const GROUND: Rgb<u8> = Rgb([243, 243, 240]);

/// A file and what it is called.
#[derive(Clone, Debug)]
pub struct Tile {
    pub name: String,
    /// The file, of any format.
    pub bytes: Vec<u8>,
}

/// Tiles under a heading of their own.
#[derive(Clone, Debug)]
pub struct Section {
    pub heading: String,
    pub tiles: Vec<Tile>,
}

/// Where things lie on a sheet: the places of the headings and, section by section, the upper left corners of the tiles.
struct Layout {
    headings: Vec<(u32, u32)>,
    tiles: Vec<Vec<(u32, u32)>>,
    width: u32,
    height: u32,
}

/// Draws the sheet, as a PNG file. Work for a blocking thread: every file is decoded.
pub fn contact_sheet(title: &str, sections: &[Section]) -> Vec<u8> {
    let layout = layout(&sections.iter().map(|section| section.tiles.len()).collect::<Vec<_>>());
    let mut sheet = RgbImage::from_pixel(layout.width, layout.height, GROUND);
    lettering::write(&mut sheet, (MARGIN, MARGIN), layout.width, Style::TITLE, title);
    for ((section, heading), places) in sections.iter().zip(&layout.headings).zip(&layout.tiles) {
        lettering::write(&mut sheet, *heading, layout.width, Style::HEADING, &section.heading);
        for (tile, place) in section.tiles.iter().zip(places) {
            tile::draw(&mut sheet, *place, &tile.name, &preview::read(&tile.bytes));
        }
    }
    samples::file(&DynamicImage::ImageRgb8(sheet), ImageFormat::Png)
}

fn layout(counts: &[usize]) -> Layout {
    let mut top = MARGIN + TITLE_HEIGHT;
    let mut layout = Layout {
        headings: Vec::new(),
        tiles: Vec::new(),
        width: 2 * MARGIN + COLUMNS * (tile::WIDTH + GAP) - GAP,
        height: 0,
    };
    for count in counts {
        layout.headings.push((MARGIN, top));
        top += HEADING_HEIGHT;
        let count = u32::try_from(*count).unwrap_or(u32::MAX);
        let place = |n: u32| {
            let (column, row) = (n % COLUMNS, n / COLUMNS);
            (MARGIN + column * (tile::WIDTH + GAP), top + row * (tile::HEIGHT + GAP))
        };
        layout.tiles.push((0..count).map(place).collect());
        top += count.div_ceil(COLUMNS) * (tile::HEIGHT + GAP);
    }
    layout.height = top - GAP + MARGIN;
    layout
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Sample, bad};

    fn sheet(sections: &[Section]) -> RgbImage {
        image::load_from_memory_with_format(&contact_sheet("Test", sections), ImageFormat::Png)
            .expect("a whole PNG")
            .into_rgb8()
    }

    fn section(files: Vec<Vec<u8>>) -> Section {
        let tiles = files.into_iter().map(|bytes| Tile { name: "tile".to_owned(), bytes });
        Section { heading: "Made".to_owned(), tiles: tiles.collect() }
    }

    #[test]
    fn tiles_never_overlap_and_all_lie_on_the_sheet() {
        let layout = layout(&[12, 0, 3]);
        let places: Vec<_> = layout.tiles.concat();
        assert_eq!(places.len(), 15);
        for (n, (x, y)) in places.iter().enumerate() {
            assert!(x + tile::WIDTH + MARGIN <= layout.width && y + tile::HEIGHT + MARGIN <= layout.height);
            for (other_x, other_y) in &places[..n] {
                assert!(x.abs_diff(*other_x) >= tile::WIDTH || y.abs_diff(*other_y) >= tile::HEIGHT);
            }
        }
        assert!(layout.headings[1].1 > places[11].1 + tile::HEIGHT);
    }

    #[test]
    fn each_picture_is_shown_in_its_own_tile() {
        let color = |color: [u8; 3]| {
            samples::file(&DynamicImage::ImageRgb8(RgbImage::from_pixel(30, 20, Rgb(color))), ImageFormat::Png)
        };
        let colors: Vec<_> = (0..7).map(|n| [20 + 30 * n, 10, 200 - 25 * n]).collect();
        let sheet = sheet(&[section(colors.iter().copied().map(color).collect())]);
        for ((x, y), color) in layout(&[7]).tiles[0].iter().zip(colors) {
            assert_eq!(sheet.get_pixel(x + tile::WIDTH / 2, y + tile::PICTURE_MIDDLE).0, color);
        }
    }

    #[test]
    fn every_kind_of_file_has_a_tile_with_something_on_it() {
        let files = vec![
            Sample::Logo.file(700, ImageFormat::Png),
            bad::animated_gif(),
            bad::mp4(640, 360, 2),
            bad::avif(),
            bad::text(),
        ];
        let sheet = sheet(&[section(files)]);
        for (x, y) in &layout(&[5]).tiles[0] {
            let pixels = (*x..x + tile::WIDTH).flat_map(|x| (*y..y + tile::HEIGHT).map(move |y| (x, y)));
            let shades: std::collections::HashSet<_> = pixels.map(|(x, y)| sheet.get_pixel(x, y).0).collect();
            assert!(shades.len() > 8, "{} shades", shades.len());
        }
    }
}
