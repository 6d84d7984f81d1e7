//! Pictures to send: what a customer would upload, drawn on the spot, the same every time.
//!
//! What must be refused is in [`bad`].

pub mod bad;
mod bits;
mod paint;

use std::io::Cursor;

use ::base64::Engine as _;
use ::base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, RgbaImage};

pub use self::bits::two_colours;
use self::paint::{Color, Painting, Point, ellipse, lit, mix, polygon, rounded, without};

const INK: Color = [38, 46, 84];
const CREAM: Color = [246, 242, 232];
const TEAL: Color = [42, 140, 138];
const RED: Color = [222, 72, 62];
const GOLD: Color = [230, 182, 92];
const SKIN: Color = [214, 164, 130];

/// What a sample shows. All are square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// A striped T-shirt.
    Garment,
    /// A teal mug on a plain ground.
    Mug,
    /// White where [`Sample::Mug`] is, black elsewhere.
    MugMask,
    /// An amber bottle on a plain ground.
    Bottle,
    /// A badge with a star; all around it is transparent.
    Logo,
    /// Head and shoulders.
    Portrait,
}

impl Sample {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Garment, Self::Mug, Self::MugMask, Self::Bottle, Self::Logo, Self::Portrait];

    /// Draws it `side` pixels wide and high; with an alpha channel only where something is transparent.
    pub fn draw(self, side: u32) -> DynamicImage {
        let image = match self {
            Self::Garment => garment(side),
            Self::Mug => mug(side),
            Self::MugMask => mug_mask(side),
            Self::Bottle => bottle(side),
            Self::Logo => return DynamicImage::ImageRgba8(logo(side)),
            Self::Portrait => portrait(side),
        };
        DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(image).into_rgb8())
    }

    /// Draws it as a file: PNG, JPEG or WebP.
    ///
    /// # Panics
    /// For a format that the `image` crate does not write.
    pub fn file(self, side: u32, format: ImageFormat) -> Vec<u8> {
        file(&self.draw(side), format)
    }
}

/// `image` as a file of `format`.
///
/// # Panics
/// For a format that the `image` crate does not write.
pub fn file(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    // JPEG knows no alpha channel.
    let written = match format {
        ImageFormat::Jpeg => DynamicImage::ImageRgb8(image.to_rgb8()).write_to(&mut file, format),
        _ => image.write_to(&mut file, format),
    };
    written.expect("samples are small, and written in formats that there are encoders for");
    file.into_inner()
}

/// A file as it may stand in a request.
pub fn base64(file: &[u8]) -> String {
    STANDARD.encode(file)
}

fn garment(side: u32) -> RgbaImage {
    let shirt = [
        (0.36, 0.12),
        (0.20, 0.17),
        (0.04, 0.40),
        (0.17, 0.50),
        (0.26, 0.40),
        (0.26, 0.90),
        (0.74, 0.90),
        (0.74, 0.40),
        (0.83, 0.50),
        (0.96, 0.40),
        (0.80, 0.17),
        (0.64, 0.12),
    ];
    let stripes = |(x, y): Point| {
        let stripe = if y > 0.27 && (y * 14.0).fract() < 0.5 { INK } else { CREAM };
        // Folds: the sides lie in the shade.
        lit(stripe, 1.0 - 0.45 * (x - 0.5).abs() - 0.03 * (x * 40.0).sin())
    };
    let neck = || ellipse((0.5, 0.105), (0.125, 0.095));
    let mut painting = Painting::on(side, [236, 236, 238], [214, 216, 220]);
    painting.shadow((0.5, 0.91), (0.4, 0.05), 0.5);
    painting.fill(ellipse((0.5, 0.13), (0.15, 0.05)), |_| lit(CREAM, 0.6));
    painting.fill(without(polygon(&shirt), neck()), stripes);
    let collar = without(ellipse((0.5, 0.105), (0.15, 0.12)), neck());
    painting.fill(without(collar, rounded((0.5, 0.0), (0.5, 0.12), 0.0)), |_| INK);
    painting.into_image()
}

fn handle() -> impl Fn(Point) -> f32 {
    let arch = without(ellipse((0.68, 0.52), (0.18, 0.17)), ellipse((0.68, 0.52), (0.115, 0.105)));
    without(arch, rounded((0.48, 0.52), (0.2, 0.4), 0.0))
}

fn mug_body() -> impl Fn(Point) -> f32 {
    let wall = rounded((0.46, 0.6), (0.23, 0.24), 0.07);
    let upper = rounded((0.46, 0.42), (0.23, 0.15), 0.0);
    let rim = ellipse((0.46, 0.27), (0.23, 0.055));
    move |at| wall(at).min(upper(at)).min(rim(at))
}

fn mug(side: u32) -> RgbaImage {
    let round = |(x, _): Point| lit(TEAL, 1.22 - 1.6 * (x - 0.39).abs());
    let mut painting = Painting::on(side, [240, 238, 232], [222, 218, 208]);
    painting.shadow((0.53, 0.835), (0.4, 0.07), 0.55);
    painting.fill(handle(), |(_, y)| lit(TEAL, 1.05 - 0.7 * (y - 0.4).abs()));
    painting.fill(mug_body(), round);
    painting.fill(rounded((0.34, 0.56), (0.016, 0.2), 0.016), |_| lit(TEAL, 1.6));
    painting.fill(ellipse((0.46, 0.27), (0.23, 0.055)), |_| lit(TEAL, 1.3));
    painting.fill(ellipse((0.46, 0.275), (0.205, 0.042)), |_| lit(TEAL, 0.4));
    painting.into_image()
}

fn mug_mask(side: u32) -> RgbaImage {
    let mut painting = Painting::on(side, [0; 3], [0; 3]);
    painting.fill(handle(), |_| [255; 3]);
    painting.fill(mug_body(), |_| [255; 3]);
    painting.into_image()
}

fn bottle(side: u32) -> RgbaImage {
    let amber = |(x, y): Point| {
        let glass = mix([214, 132, 40], [150, 76, 18], y);
        lit(glass, 1.25 - 2.4 * (x - 0.46).abs())
    };
    let mut painting = Painting::on(side, [233, 238, 242], [206, 214, 222]);
    painting.shadow((0.53, 0.915), (0.3, 0.05), 0.6);
    painting.fill(rounded((0.5, 0.27), (0.07, 0.12), 0.02), amber);
    painting.fill(rounded((0.5, 0.63), (0.19, 0.28), 0.09), amber);
    painting.fill(rounded((0.5, 0.13), (0.09, 0.07), 0.02), |(x, _)| lit([46, 46, 52], 1.5 - 4.0 * (x - 0.47).abs()));
    painting.fill(rounded((0.5, 0.66), (0.165, 0.14), 0.005), |(x, _)| lit(INK, 1.3 - 1.6 * (x - 0.47).abs()));
    painting.fill(rounded((0.5, 0.60), (0.10, 0.014), 0.0), |_| GOLD);
    painting.fill(rounded((0.5, 0.66), (0.13, 0.008), 0.0), |_| RED);
    painting.fill(rounded((0.5, 0.71), (0.07, 0.006), 0.0), |_| GOLD);
    painting.fill(rounded((0.375, 0.62), (0.012, 0.2), 0.012), |_| [250, 214, 150]);
    painting.into_image()
}

fn logo(side: u32) -> RgbaImage {
    let tip = |n: u8| {
        let angle = std::f32::consts::PI * (f32::from(n) / 5.0 - 0.5);
        let radius = if n.is_multiple_of(2) { 0.30 } else { 0.13 };
        (0.5 + radius * angle.cos(), 0.5 + radius * angle.sin())
    };
    let star: Vec<Point> = (0..10).map(tip).collect();
    let mut painting = Painting::on_nothing(side);
    painting.fill(ellipse((0.5, 0.5), (0.47, 0.47)), |_| RED);
    painting.fill(without(ellipse((0.5, 0.5), (0.42, 0.42)), ellipse((0.5, 0.5), (0.385, 0.385))), |_| CREAM);
    painting.fill(polygon(&star), |_| CREAM);
    painting.into_image()
}

fn portrait(side: u32) -> RgbaImage {
    let hair = [58, 38, 30];
    let mut painting = Painting::on(side, [176, 196, 210], [132, 156, 176]);
    painting.fill(ellipse((0.5, 0.44), (0.235, 0.32)), |_| hair);
    painting.fill(ellipse((0.5, 1.06), (0.40, 0.32)), |(_, y)| lit([120, 84, 130], 1.5 - 0.6 * y));
    painting.fill(rounded((0.5, 0.68), (0.075, 0.12), 0.05), |_| lit(SKIN, 0.86));
    painting.fill(ellipse((0.5, 0.41), (0.165, 0.225)), |(x, _)| lit(SKIN, 1.04 - 0.4 * (x - 0.46).abs()));
    painting.fill(without(ellipse((0.5, 0.32), (0.2, 0.2)), ellipse((0.54, 0.47), (0.22, 0.23))), |_| hair);
    for x in [0.435, 0.565] {
        painting.fill(ellipse((x, 0.41), (0.026, 0.014)), |_| [250, 248, 244]);
        painting.fill(ellipse((x, 0.41), (0.012, 0.013)), |_| [50, 40, 40]);
        painting.fill(rounded((x, 0.372), (0.03, 0.006), 0.005), |_| hair);
    }
    painting.fill(ellipse((0.5, 0.48), (0.016, 0.022)), |_| lit(SKIN, 0.88));
    painting.fill(ellipse((0.5, 0.545), (0.05, 0.016)), |_| [178, 84, 84]);
    painting.into_image()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_reads_back_in_every_format_with_its_size() {
        for sample in Sample::ALL {
            for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
                let file = sample.file(48, format);
                let read = image::load_from_memory_with_format(&file, format).expect("a whole file");
                assert_eq!((read.width(), read.height()), (48, 48), "{sample:?} as {format:?}");
                assert_eq!(file, sample.file(48, format), "it is the same every time");
            }
        }
    }

    #[test]
    fn only_the_logo_has_transparency() {
        for sample in Sample::ALL {
            assert_eq!(sample.draw(48).color().has_alpha(), sample == Sample::Logo, "{sample:?}");
        }
        let logo = Sample::Logo.draw(48).into_rgba8();
        assert_eq!((logo.get_pixel(0, 0).0[3], logo.get_pixel(24, 24).0[3]), (0, 255));
    }

    #[test]
    fn the_mask_covers_the_mug_and_nothing_else() {
        let (mug, mask) = (Sample::Mug.draw(96).into_rgb8(), Sample::MugMask.draw(96).into_luma8());
        let teal = |pixel: &image::Rgb<u8>| i32::from(pixel.0[1]) - i32::from(pixel.0[0]) > 40;
        let agree = mug.pixels().zip(mask.pixels()).filter(|(mug, mask)| teal(mug) == (mask.0[0] > 127)).count();
        // The highlight and the shaded inside are no teal.
        assert!(agree > 96 * 96 * 94 / 100, "{agree} of {}", 96 * 96);
    }
}
