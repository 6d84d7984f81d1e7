//! Pixels that change their place and not their value.

use super::{Raster, as_f32};

/// How much is added on each side of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its side")]
pub struct Margin {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Raster {
    /// A part of each picture; what of it lies outside is left out.
    #[must_use]
    pub fn cropped(&self, (x, y): (usize, usize), (width, height): (usize, usize)) -> Self {
        let (x, y) = (x.min(self.width), y.min(self.height));
        let (width, height) = (width.min(self.width - x), height.min(self.height - y));
        let row = self.width * self.channels;
        let mut samples = Vec::with_capacity(self.batch * width * height * self.channels);
        for index in 0..self.batch {
            for line in self.frame(index).chunks_exact(row.max(1)).skip(y).take(height) {
                samples.extend_from_slice(&line[x * self.channels..(x + width) * self.channels]);
            }
        }
        self.with_samples((width, height), self.channels, samples)
    }

    /// Each picture upside down.
    #[must_use]
    pub fn flipped_vertically(&self) -> Self {
        let mut samples = Vec::with_capacity(self.samples.len());
        for index in 0..self.batch {
            for row in self.frame(index).chunks_exact(self.width * self.channels).rev() {
                samples.extend_from_slice(row);
            }
        }
        self.with_samples(self.size(), self.channels, samples)
    }

    /// Each picture as in a mirror.
    #[must_use]
    pub fn flipped_horizontally(&self) -> Self {
        let mut samples = Vec::with_capacity(self.samples.len());
        for row in self.samples.chunks_exact(self.width * self.channels) {
            for pixel in row.chunks_exact(self.channels).rev() {
                samples.extend_from_slice(pixel);
            }
        }
        self.with_samples(self.size(), self.channels, samples)
    }

    /// Each picture turned by so many quarters, clockwise.
    #[must_use]
    pub fn turned(&self, quarters: usize) -> Self {
        match quarters % 4 {
            0 => self.clone(),
            1 => self.turned_once(),
            2 => self.flipped_vertically().flipped_horizontally(),
            _ => self.flipped_vertically().flipped_horizontally().turned_once(),
        }
    }

    fn turned_once(&self) -> Self {
        let mut samples = Vec::with_capacity(self.samples.len());
        for index in 0..self.batch {
            let frame = self.frame(index);
            for x in 0..self.width {
                for y in (0..self.height).rev() {
                    let at = (y * self.width + x) * self.channels;
                    samples.extend_from_slice(&frame[at..at + self.channels]);
                }
            }
        }
        self.with_samples((self.height, self.width), self.channels, samples)
    }

    /// Each picture on a larger ground of that value.
    #[must_use]
    pub fn padded(&self, margin: Margin, value: f32) -> Self {
        let size = (self.width + margin.left + margin.right, self.height + margin.top + margin.bottom);
        let ground = Self::filled(self.batch, size, &vec![value; self.channels]);
        ground.pasted(self, (margin.left, margin.top), None)
    }

    /// The mask of what [`Raster::padded`] added: 1 there, 0 inside, and between them a slope of `feathering` pixels, where the
    /// picture is large enough for one.
    #[must_use]
    pub fn padding_mask(&self, margin: Margin, feathering: usize) -> Self {
        let mut inside = Self::filled(1, self.size(), &[0.0]);
        if feathering > 0 && feathering * 2 < self.height && feathering * 2 < self.width {
            for y in 0..self.height {
                let top = if margin.top == 0 { self.height } else { y };
                let bottom = if margin.bottom == 0 { self.height } else { self.height - y };
                for x in 0..self.width {
                    let left = if margin.left == 0 { self.width } else { x };
                    let right = if margin.right == 0 { self.width } else { self.width - x };
                    let distance = top.min(bottom).min(left).min(right);
                    if distance < feathering {
                        let share = as_f32(feathering - distance) / as_f32(feathering);
                        inside.samples[y * self.width + x] = share * share;
                    }
                }
            }
        }
        inside.padded(margin, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 3 × 2: a b c, d e f.
    fn letters() -> Raster {
        Raster { batch: 1, width: 3, height: 2, channels: 1, samples: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0] }
    }

    #[test]
    fn pictures_turn_clockwise() {
        assert_eq!(letters().turned(1).samples(), [4.0, 1.0, 5.0, 2.0, 6.0, 3.0]);
        assert_eq!(letters().turned(1).size(), (2, 3));
        assert_eq!(letters().turned(2).samples(), [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]);
        assert_eq!(letters().turned(3).turned(1), letters());
    }

    #[test]
    fn pictures_are_flipped_and_cropped() {
        assert_eq!(letters().flipped_vertically().samples(), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
        assert_eq!(letters().flipped_horizontally().samples(), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        assert_eq!(letters().cropped((1, 1), (9, 9)).samples(), [5.0, 6.0]);
        assert_eq!(letters().cropped((1, 0), (1, 2)).size(), (1, 2));
    }

    #[test]
    fn padding_surrounds_and_its_mask_says_where() {
        let margin = Margin { left: 1, bottom: 1, ..Margin::default() };
        let padded = letters().padded(margin, 0.5);
        assert_eq!((padded.size(), &padded.samples()[..4]), ((4, 3), [0.5, 1.0, 2.0, 3.0].as_slice()));
        let mask = letters().padding_mask(margin, 0);
        assert_eq!(mask.samples(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_slope_runs_inward_from_each_padded_side() {
        let margin = Margin { left: 1, ..Margin::default() };
        let mask = Raster::filled(1, (5, 5), &[0.0]).padding_mask(margin, 2);
        assert_eq!(mask.samples()[..6], [1.0, 1.0, 0.25, 0.0, 0.0, 0.0]);
    }
}
