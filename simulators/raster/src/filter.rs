//! Blurring and sharpening with a Gaussian. It is the product of one along the rows and one along the columns, so two passes do.

use super::{Raster, as_f32};

/// By how much of the blurred picture sharpening with `alpha` 1 goes against it.
const SHARPENING: f32 = 10.0;

impl Raster {
    /// Each picture blurred over `radius` pixels; its edges are mirrored. `sigma` counts in radii.
    ///
    /// # Panics
    ///
    /// If the radius is no smaller than a side.
    #[must_use]
    pub fn blurred(&self, radius: usize, sigma: f32) -> Self {
        assert!(radius < self.width && radius < self.height, "there is enough to mirror");
        let kernel = gaussian(radius, sigma);
        self.along_rows(&kernel, radius).along_columns(&kernel, radius)
    }

    /// Each picture sharpened by what blurring takes from it, and clipped.
    ///
    /// # Panics
    ///
    /// If the radius is no smaller than a side.
    #[must_use]
    pub fn sharpened(&self, radius: usize, sigma: f32, alpha: f32) -> Self {
        let blurred = self.blurred(radius, sigma);
        let strength = SHARPENING * alpha;
        let sharpen = |(sample, blurred): (&f32, &f32)| (sample + strength * (sample - blurred)).clamp(0.0, 1.0);
        let samples = self.samples.iter().zip(&blurred.samples).map(sharpen).collect();
        self.with_samples(self.size(), self.channels, samples)
    }

    fn along_rows(&self, kernel: &[f32], radius: usize) -> Self {
        let channels = self.channels;
        let row_len = self.width * channels;
        let mut samples = Vec::with_capacity(self.samples.len());
        let mut wide = vec![0.0; (self.width + 2 * radius) * channels];
        for row in self.samples.chunks_exact(row_len) {
            for (x, pixel) in wide.chunks_exact_mut(channels).enumerate() {
                let from = mirrored(x, radius, self.width) * channels;
                pixel.copy_from_slice(&row[from..from + channels]);
            }
            let start = samples.len();
            samples.resize(start + row_len, 0.0);
            for (tap, weight) in kernel.iter().enumerate() {
                add(&mut samples[start..], &wide[tap * channels..][..row_len], *weight);
            }
        }
        self.with_samples(self.size(), channels, samples)
    }

    fn along_columns(&self, kernel: &[f32], radius: usize) -> Self {
        let row_len = self.width * self.channels;
        let mut samples = vec![0.0; self.samples.len()];
        for (index, frame) in samples.chunks_exact_mut(self.frame_len()).enumerate() {
            let source = self.frame(index);
            for (y, row) in frame.chunks_exact_mut(row_len).enumerate() {
                for (tap, weight) in kernel.iter().enumerate() {
                    let from = mirrored(y + tap, radius, self.height) * row_len;
                    add(row, &source[from..from + row_len], *weight);
                }
            }
        }
        self.with_samples(self.size(), self.channels, samples)
    }
}

fn add(sum: &mut [f32], samples: &[f32], weight: f32) {
    for (sum, sample) in sum.iter_mut().zip(samples) {
        *sum += weight * sample;
    }
}

/// Where the sample comes from that stands at `at` of a row with `radius` mirrored samples before and behind it.
fn mirrored(at: usize, radius: usize, len: usize) -> usize {
    if at < radius {
        radius - at
    } else if at < radius + len {
        at - radius
    } else {
        2 * len + radius - at - 2
    }
}

fn gaussian(radius: usize, sigma: f32) -> Vec<f32> {
    let weight = |at: usize| {
        let place = (as_f32(at) - as_f32(radius)) / as_f32(radius.max(1));
        (-(place * place) / (2.0 * sigma * sigma)).exp()
    };
    let weights: Vec<f32> = (0..=2 * radius).map(weight).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(samples: &[f32]) -> Raster {
        let line = Raster { batch: 1, width: samples.len(), height: 1, channels: 1, samples: samples.to_vec() };
        line.joined(&line).with_samples((samples.len(), 2), 1, [samples, samples].concat())
    }

    #[test]
    fn an_even_picture_stays_as_it_is() {
        let even = Raster::filled(2, (9, 7), &[0.25, 0.5, 0.75]);
        for filtered in [even.blurred(3, 1.0), even.sharpened(3, 1.0, 1.0)] {
            let worst = filtered.samples.iter().zip(&even.samples).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{worst}");
        }
    }

    #[test]
    fn a_point_spreads_by_the_gaussian_and_mirrors_at_the_edge() {
        let kernel = gaussian(1, 1.0);
        let blurred = row(&[0.0, 1.0, 0.0, 0.0]).blurred(1, 1.0);
        // The first sample sees its neighbour twice.
        let expected = [2.0 * kernel[0], kernel[1], kernel[0], 0.0];
        let worst = blurred.samples[..4].iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{:?} {expected:?}", blurred.samples);
    }

    #[test]
    fn sharpening_steepens_an_edge() {
        let sharpened = row(&[0.4, 0.4, 0.6, 0.6]).sharpened(1, 1.0, 0.1);
        assert!(sharpened.samples[1] < 0.4 && sharpened.samples[2] > 0.6);
    }
}
