//! Sizes and places in pixels, and the bounds that a picture made by a graph keeps. Pure.

use super::GraphError;
use super::binding::SIDE_MAX;
use crate::images::PIXELS_MAX;

/// The size of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) size: Size,
}

impl Size {
    /// A size that a graph may make, or why it may not: our own check of outputs takes no more pixels.
    pub(super) fn bounded(width: u64, height: u64) -> Result<Self, GraphError> {
        let side = |pixels: u64| u32::try_from(pixels).ok().filter(|pixels| (1..=SIDE_MAX).contains(pixels));
        match (side(width), side(height)) {
            (Some(bounded_width), Some(bounded_height)) if width * height <= PIXELS_MAX => {
                Ok(Self { width: bounded_width, height: bounded_height })
            }
            _ => Err(GraphError::OutputTooLarge { width, height }),
        }
    }

    /// The largest size of these proportions that fits into `frame`, and at least a pixel each way.
    pub(super) fn fitted(self, frame: Self) -> Self {
        let (width, height) = (u64::from(self.width), u64::from(self.height));
        let (frame_width, frame_height) = (u64::from(frame.width), u64::from(frame.height));
        if width * frame_height >= frame_width * height {
            Self { width: frame.width, height: share(height, frame_width, width, frame.height) }
        } else {
            Self { width: share(width, frame_height, height, frame.width), height: frame.height }
        }
    }

    /// The place of a part of `size` in the middle of this.
    pub(super) fn middle(self, size: Self) -> Area {
        let before = |whole: u32, part: u32| whole.saturating_sub(part) / 2;
        Area { x: before(self.width, size.width), y: before(self.height, size.height), size }
    }
}

/// `value * numerator / denominator`, to the nearest, from 1 to `max`.
fn share(value: u64, numerator: u64, denominator: u64, max: u32) -> u32 {
    let nearest = (value * numerator + denominator / 2) / denominator;
    u32::try_from(nearest).unwrap_or(u32::MAX).clamp(1, max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Area, Size};
    use crate::workflow::graph::GraphError;

    fn size(width: u32, height: u32) -> Size {
        Size { width, height }
    }

    #[test]
    fn sizes_are_bounded_by_pixels_and_by_side() {
        assert_eq!(Size::bounded(8192, 8192), Ok(size(8192, 8192)));
        assert_eq!(Size::bounded(16_384, 1), Ok(size(16_384, 1)));
        for (width, height) in [(8192, 8193), (16_385, 1), (1, 1 << 40), (0, 5)] {
            assert_eq!(Size::bounded(width, height), Err(GraphError::OutputTooLarge { width, height }));
        }
    }

    #[test]
    fn a_picture_fits_into_its_frame_and_keeps_its_proportions() {
        assert_eq!(size(100, 50).fitted(size(40, 40)), size(40, 20));
        assert_eq!(size(50, 100).fitted(size(40, 40)), size(20, 40));
        assert_eq!(size(97, 61).fitted(size(194, 122)), size(194, 122));
        assert_eq!(size(10_000, 1).fitted(size(64, 64)), size(64, 1));
        assert_eq!(size(40, 40).middle(size(40, 21)), Area { x: 0, y: 9, size: size(40, 21) });
    }

    proptest! {
        #[test]
        fn what_fits_touches_its_frame_and_is_never_empty(
            width in 1..20_000_u32, height in 1..20_000_u32, frame_width in 1..5_000_u32, frame_height in 1..5_000_u32
        ) {
            let frame = size(frame_width, frame_height);
            let fitted = size(width, height).fitted(frame);
            assert!(fitted.width >= 1 && fitted.height >= 1);
            assert!(fitted.width <= frame.width && fitted.height <= frame.height);
            assert!(fitted.width == frame.width || fitted.height == frame.height);
        }
    }
}
