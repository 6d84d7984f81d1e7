//! Where a graphic lies on its base: which part of it shows, how large, and where. Pure.
//!
//! ComfyUI lays nothing left of or above a picture, so what would hang over is cut off. It is cut off before the graphic
//! is enlarged, to whole pixels of the graphic, and once more after, to whole pixels of the base: a graphic that is
//! enlarged a hundred times never becomes larger than the base needs it.

use super::GraphError;
use super::binding::Scalar;
use super::size::{Area, Size};

/// How a graphic is cut, enlarged, cut again and laid down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    /// The part of the graphic that is used.
    part: Area,
    /// What that part is scaled to.
    scaled: Size,
    /// The part of what was scaled that shows.
    shown: Area,
    /// Where it lies on the base.
    x: u32,
    y: u32,
}

/// One direction of a placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    part_at: u32,
    part: u32,
    scaled: u32,
    shown_at: u32,
    shown: u32,
    at: u32,
}

impl Placement {
    /// Places a graphic with its middle at `(x, y)`, as shares of the base. Some of it always shows.
    pub(super) fn of(graphic: Size, base: Size, (x, y): (f64, f64), scale: f64) -> Result<Self, GraphError> {
        let across = Span::of(graphic.width, base.width, x, scale);
        let down = Span::of(graphic.height, base.height, y, scale);
        let size = |width: u32, height: u32| Size { width, height };
        Ok(Self {
            part: Area { x: across.part_at, y: down.part_at, size: size(across.part, down.part) },
            scaled: Size::bounded(across.scaled.into(), down.scaled.into())?,
            shown: Area { x: across.shown_at, y: down.shown_at, size: size(across.shown, down.shown) },
            x: across.at,
            y: down.at,
        })
    }

    /// Its numbers under the names that templates bind.
    pub(super) fn named(self) -> Vec<(&'static str, Scalar)> {
        vec![
            ("part_width", Scalar::from(self.part.size.width)),
            ("part_height", Scalar::from(self.part.size.height)),
            ("part_x", Scalar::from(self.part.x)),
            ("part_y", Scalar::from(self.part.y)),
            ("scaled_width", Scalar::from(self.scaled.width)),
            ("scaled_height", Scalar::from(self.scaled.height)),
            ("shown_width", Scalar::from(self.shown.size.width)),
            ("shown_height", Scalar::from(self.shown.size.height)),
            ("shown_x", Scalar::from(self.shown.x)),
            ("shown_y", Scalar::from(self.shown.y)),
            ("x", Scalar::from(self.x)),
            ("y", Scalar::from(self.y)),
        ]
    }
}

impl Span {
    fn of(graphic: u32, base: u32, middle: f64, scale: f64) -> Self {
        let enlarged = whole(f64::from(graphic) * scale).max(1);
        // What a pixel of the graphic measures on the base, after rounding.
        let pixel = float(enlarged) / f64::from(graphic);
        let start = whole(f64::from(base) * middle - float(enlarged) / 2.0);
        // A graphic of one pixel on the very edge would lie outside by rounding.
        let start = start.clamp(1 - enlarged, i64::from(base) - 1);
        let hidden_before = (-start).max(0);
        let at = start.max(0);
        let shown = (enlarged - hidden_before).min(i64::from(base) - at);

        let part_at = (whole_below(float(hidden_before) / pixel)).clamp(0, i64::from(graphic) - 1);
        let part_end = whole_below((float(hidden_before + shown) / pixel).ceil()).clamp(part_at + 1, graphic.into());
        let shown_at = (hidden_before - whole(float(part_at) * pixel)).max(0);
        let scaled = whole(float(part_end - part_at) * pixel).max(shown_at + shown);
        Self {
            part_at: pixels(part_at),
            part: pixels(part_end - part_at),
            scaled: pixels(scaled),
            shown_at: pixels(shown_at),
            shown: pixels(shown),
            at: pixels(at),
        }
    }
}

/// To the nearest whole number.
fn whole(value: f64) -> i64 {
    whole_below(value.round())
}

#[expect(clippy::cast_possible_truncation, reason = "at most a side of a u32 times a scale of 100, far within an i64")]
fn whole_below(value: f64) -> i64 {
    value.floor() as i64
}

/// Pixels are far below the 2^53 that a float holds exactly.
fn float(pixels: i64) -> f64 {
    pixels as f64
}

/// What does not fit is far over every bound, and refused as too large.
fn pixels(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Placement, Size, Span};

    #[test]
    fn a_graphic_within_its_base_is_used_whole() {
        let placement = Placement::of(Size { width: 40, height: 20 }, Size { width: 97, height: 61 }, (0.5, 0.5), 0.5);
        let placement = placement.expect("a small graphic");
        assert_eq!((placement.part.size.width, placement.part.size.height), (40, 20));
        assert_eq!((placement.scaled.width, placement.scaled.height), (20, 10));
        assert_eq!(placement.shown.size, placement.scaled);
        // The middle, 48.5 and 30.5, less half of 20 and 10.
        assert_eq!((placement.x, placement.y), (39, 26));
    }

    #[test]
    fn what_hangs_over_is_cut_off() {
        let span = Span::of(40, 100, 0.0, 1.0);
        assert_eq!(span, Span { part_at: 20, part: 20, scaled: 20, shown_at: 0, shown: 20, at: 0 });
        let span = Span::of(40, 100, 1.0, 1.0);
        assert_eq!(span, Span { part_at: 0, part: 20, scaled: 20, shown_at: 0, shown: 20, at: 80 });
    }

    #[test]
    fn an_enlarged_graphic_is_cut_in_its_own_pixels_first() {
        // 4,000 pixels, each ten wide: of 40,000, those from 19,950 to 20,050 show.
        let span = Span::of(4_000, 100, 0.5, 10.0);
        assert_eq!(span, Span { part_at: 1995, part: 10, scaled: 100, shown_at: 0, shown: 100, at: 0 });
        let span = Span::of(3, 100, 0.5, 100.0);
        assert_eq!(span, Span { part_at: 1, part: 1, scaled: 100, shown_at: 0, shown: 100, at: 0 });
    }

    proptest! {
        #[test]
        fn something_always_shows_within_the_base_and_within_what_was_scaled(
            graphic in 1..20_000_u32, base in 1..16_384_u32, middle in 0.0..=1.0, scale in 0.01..=100.0
        ) {
            let span = Span::of(graphic, base, middle, scale);
            assert!(span.shown >= 1 && span.at + span.shown <= base, "{span:?}");
            assert!(span.part >= 1 && span.part_at + span.part <= graphic, "{span:?}");
            assert!(span.shown_at + span.shown <= span.scaled, "{span:?}");
            // Cut to whole pixels of the graphic: at most two of them more than shows, and rounding.
            assert!(f64::from(span.scaled) <= f64::from(span.shown) + 2.0 * scale.max(1.0) + 3.0, "{span:?}");
        }
    }
}
