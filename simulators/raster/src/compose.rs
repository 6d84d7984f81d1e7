//! Two pictures become one.

use super::Raster;

/// What a picture does to the one below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a mode of ComfyUI's ImageBlend")]
pub enum Blend {
    Normal,
    Multiply,
    Screen,
    Overlay,
    SoftLight,
    Difference,
}

impl Blend {
    #[inline]
    fn of(self, below: f32, above: f32) -> f32 {
        match self {
            Self::Normal => above,
            Self::Multiply => below * above,
            Self::Screen => 1.0 - (1.0 - below) * (1.0 - above),
            Self::Overlay if below <= 0.5 => 2.0 * below * above,
            Self::Overlay => 1.0 - 2.0 * (1.0 - below) * (1.0 - above),
            Self::SoftLight if above <= 0.5 => below - (1.0 - 2.0 * above) * below * (1.0 - below),
            Self::SoftLight => {
                let bent = if below <= 0.25 { ((16.0 * below - 12.0) * below + 4.0) * below } else { below.sqrt() };
                below + (2.0 * above - 1.0) * (bent - below)
            }
            Self::Difference => below - above,
        }
    }
}

impl Raster {
    /// A mix of these pictures and what `blend` makes of both, `share` of the latter. A batch of one serves each of the other's.
    ///
    /// # Panics
    ///
    /// If they differ in size or channels, or their batches do and neither is of one.
    #[must_use]
    pub fn blended(&self, above: &Self, blend: Blend, share: f32) -> Self {
        assert_eq!((self.size(), self.channels), (above.size(), above.channels), "both are of one shape");
        let batch = self.batch.max(above.batch);
        assert!([self.batch, above.batch].iter().all(|one| *one == batch || *one == 1), "the batches fit");
        let mut samples = Vec::with_capacity(batch * self.frame_len());
        for index in 0..batch {
            let below = self.frame(index.min(self.batch - 1));
            let above = above.frame(index.min(above.batch - 1));
            samples.extend(
                below
                    .iter()
                    .zip(above)
                    .map(|(below, above)| (below * (1.0 - share) + blend.of(*below, *above) * share).clamp(0.0, 1.0)),
            );
        }
        self.with_samples(self.size(), self.channels, samples)
    }

    /// These pictures with `source` laid over them at that place, as far as `mask` lets it through, or wholly. What lies outside
    /// is left out.
    ///
    /// # Panics
    ///
    /// If `source` differs in channels or batch, or `mask` from it in size or batch.
    #[must_use]
    pub fn pasted(&self, source: &Self, (x, y): (usize, usize), mask: Option<&Self>) -> Self {
        assert_eq!((source.batch, source.channels), (self.batch, self.channels), "one source for each picture");
        let mut pasted = self.clone();
        let (x, y) = (x.min(self.width), y.min(self.height));
        let (width, height) = (source.width.min(self.width - x), source.height.min(self.height - y));
        let channels = self.channels;
        for index in 0..self.batch {
            for line in 0..height {
                let at = index * self.frame_len() + ((y + line) * self.width + x) * channels;
                let below = &mut pasted.samples[at..at + width * channels];
                let above = &source.frame(index)[line * source.width * channels..][..width * channels];
                let Some(mask) = mask else {
                    below.copy_from_slice(above);
                    continue;
                };
                assert_eq!(
                    (mask.batch, mask.size(), mask.channels),
                    (source.batch, source.size(), 1),
                    "a mask of the source"
                );
                let mask = &mask.frame(index)[line * source.width..][..width];
                for ((below, above), share) in
                    below.chunks_exact_mut(channels).zip(above.chunks_exact(channels)).zip(mask)
                {
                    for (below, above) in below.iter_mut().zip(above) {
                        *below = share * above + (1.0 - share) * *below;
                    }
                }
            }
        }
        pasted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(value: f32) -> Raster {
        Raster::filled(1, (2, 1), &[value, value, value])
    }

    #[test]
    fn each_mode_blends_as_its_formula_says() {
        for (blend, below, above, expected) in [
            (Blend::Normal, 0.2, 0.6, 0.6),
            (Blend::Multiply, 0.5, 0.5, 0.25),
            (Blend::Screen, 0.5, 0.5, 0.75),
            (Blend::Overlay, 0.25, 0.5, 0.25),
            (Blend::Overlay, 0.75, 0.5, 0.75),
            (Blend::SoftLight, 0.5, 0.0, 0.25),
            (Blend::SoftLight, 0.25, 1.0, 0.5),
            (Blend::Difference, 0.25, 0.75, 0.0),
        ] {
            assert_eq!(gray(below).blended(&gray(above), blend, 1.0), gray(expected), "{blend:?}");
        }
        assert_eq!(gray(0.0).blended(&gray(1.0), Blend::Normal, 0.25), gray(0.25));
    }

    #[test]
    fn one_picture_blends_with_each_of_a_batch() {
        let blended = gray(0.5).blended(&gray(1.0).joined(&gray(0.0)), Blend::Multiply, 1.0);
        assert_eq!(blended, gray(0.5).joined(&gray(0.0)));
    }

    #[test]
    fn a_mask_lets_part_of_the_source_through() {
        let mask = Raster { batch: 1, width: 2, height: 1, channels: 1, samples: vec![1.0, 0.25] };
        let pasted = gray(0.0).pasted(&gray(1.0), (0, 0), Some(&mask));
        assert_eq!(pasted.samples(), [1.0, 1.0, 1.0, 0.25, 0.25, 0.25]);
    }

    #[test]
    fn what_sticks_out_is_left_out() {
        let pasted = gray(0.0).pasted(&gray(1.0), (1, 0), None);
        assert_eq!(pasted.samples(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(gray(0.0).pasted(&gray(1.0), (5, 5), None), gray(0.0));
    }
}
