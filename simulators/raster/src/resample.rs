//! Scaling. Four methods compute as `PyTorch` does, in floats and without smoothing when they shrink; Lanczos as Pillow, on bytes
//! and with smoothing.

use super::{Raster, as_f32, as_f64, as_index, byte};

/// Lobes of the Lanczos window.
const LANCZOS: f64 = 3.0;
/// The coefficient of `PyTorch`'s bicubic curve.
const CUBIC: f32 = -0.75;

/// How samples between samples are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is an upscale method of ComfyUI")]
pub enum Method {
    NearestExact,
    Bilinear,
    Area,
    Bicubic,
    Lanczos,
}

/// Which samples of a line make one of the new line.
struct Tap {
    start: usize,
    weights: Vec<f32>,
}

impl Raster {
    /// Each picture in that size.
    ///
    /// # Panics
    ///
    /// If a side is or becomes 0.
    #[must_use]
    pub fn resized(&self, (width, height): (usize, usize), method: Method) -> Self {
        assert!(self.width * self.height * width * height > 0, "there are pixels before and after");
        if method == Method::Lanczos {
            return self.resized_by_lanczos((width, height));
        }
        self.scaled_across(width, method).scaled_along(height, method)
    }

    /// The middle of each picture that has the shape of `width` to `height`.
    #[must_use]
    pub fn middle(&self, (width, height): (usize, usize)) -> Self {
        let (old_width, old_height) = (as_f64(self.width), as_f64(self.height));
        let (old_aspect, new_aspect) = (old_width / old_height, as_f64(width) / as_f64(height));
        let cut = |side: f64, share: f64| as_index(((side - side * share) / 2.0).round_ties_even());
        let x = if old_aspect > new_aspect { cut(old_width, new_aspect / old_aspect) } else { 0 };
        let y = if old_aspect < new_aspect { cut(old_height, old_aspect / new_aspect) } else { 0 };
        self.cropped((x, y), (self.width - 2 * x, self.height - 2 * y))
    }

    fn resized_by_lanczos(&self, (width, height): (usize, usize)) -> Self {
        let mut bytes = self.map(|sample| f32::from(byte(sample * 255.0)));
        let has_alpha = self.channels == 4;
        if has_alpha && self.size() != (width, height) {
            bytes.multiply_alpha();
        }
        if width != self.width {
            bytes = bytes.scaled_across(width, Method::Lanczos).map(round);
        }
        if height != self.height {
            bytes = bytes.scaled_along(height, Method::Lanczos).map(round);
        }
        if has_alpha && self.size() != (width, height) {
            bytes.divide_alpha();
        }
        bytes.map(|sample| sample / 255.0)
    }

    fn map(&self, change: impl Fn(f32) -> f32) -> Self {
        let samples = self.samples.iter().map(|sample| change(*sample)).collect();
        self.with_samples(self.size(), self.channels, samples)
    }

    /// Colours as bytes, each multiplied by its alpha, so that what is transparent does not bleed.
    fn multiply_alpha(&mut self) {
        for pixel in self.samples.chunks_exact_mut(4) {
            let alpha = pixel[3] / 255.0;
            pixel[..3].iter_mut().for_each(|color| *color = round(*color * alpha));
        }
    }

    fn divide_alpha(&mut self) {
        for pixel in self.samples.chunks_exact_mut(4) {
            let alpha = pixel[3];
            if alpha > 0.0 && alpha < 255.0 {
                pixel[..3].iter_mut().for_each(|color| *color = (*color * 255.0 / alpha).floor().min(255.0));
            }
        }
    }

    fn scaled_across(&self, width: usize, method: Method) -> Self {
        let taps = taps(self.width, width, method);
        let mut samples = vec![0.0; self.batch * self.height * width * self.channels];
        let row_len = self.width * self.channels;
        for (row, new) in self.samples.chunks_exact(row_len).zip(samples.chunks_exact_mut(width * self.channels)) {
            match self.channels {
                1 => scale_row::<1>(row, &taps, new),
                2 => scale_row::<2>(row, &taps, new),
                3 => scale_row::<3>(row, &taps, new),
                _ => scale_row::<4>(row, &taps, new),
            }
        }
        self.with_samples((width, self.height), self.channels, samples)
    }

    fn scaled_along(&self, height: usize, method: Method) -> Self {
        let taps = taps(self.height, height, method);
        let row_len = self.width * self.channels;
        let mut samples = vec![0.0; self.batch * height * row_len];
        for (index, frame) in samples.chunks_exact_mut(height * row_len).enumerate() {
            let source = self.frame(index);
            for (row, tap) in frame.chunks_exact_mut(row_len).zip(&taps) {
                for (weight, line) in tap.weights.iter().zip(source[tap.start * row_len..].chunks_exact(row_len)) {
                    row.iter_mut().zip(line).for_each(|(sum, sample)| *sum += weight * sample);
                }
            }
        }
        self.with_samples((self.width, height), self.channels, samples)
    }
}

fn scale_row<const CHANNELS: usize>(row: &[f32], taps: &[Tap], new: &mut [f32]) {
    for (tap, pixel) in taps.iter().zip(new.chunks_exact_mut(CHANNELS)) {
        let mut sums = [0.0; CHANNELS];
        for (weight, from) in tap.weights.iter().zip(row[tap.start * CHANNELS..].chunks_exact(CHANNELS)) {
            for (sum, sample) in sums.iter_mut().zip(from) {
                *sum += weight * sample;
            }
        }
        pixel.copy_from_slice(&sums);
    }
}

fn round(sample: f32) -> f32 {
    f32::from(byte(sample + 0.5))
}

fn taps(from: usize, to: usize, method: Method) -> Vec<Tap> {
    let scale = as_f64(from) / as_f64(to);
    (0..to)
        .map(|at| match method {
            Method::NearestExact => {
                Tap { start: as_index((as_f64(at) + 0.5) * scale).min(from - 1), weights: vec![1.0] }
            }
            Method::Bilinear => bilinear(from, (as_f64(at) + 0.5) * scale - 0.5),
            Method::Area => area(from, to, at),
            Method::Bicubic => bicubic(from, (as_f64(at) + 0.5) * scale - 0.5),
            Method::Lanczos => lanczos(from, scale, (as_f64(at) + 0.5) * scale),
        })
        .collect()
}

/// How far a position lies behind the sample before it.
#[expect(clippy::cast_possible_truncation, reason = "a share of one needs no more than f32 holds")]
fn share(position: f64) -> f32 {
    (position - position.floor()) as f32
}

fn bilinear(from: usize, position: f64) -> Tap {
    let position = position.max(0.0);
    let start = as_index(position).min(from - 1);
    if start + 1 == from {
        return Tap { start, weights: vec![1.0] };
    }
    let share = share(position);
    Tap { start, weights: vec![1.0 - share, share] }
}

/// All samples that the new one covers, even in part, count the same.
fn area(from: usize, to: usize, at: usize) -> Tap {
    let (start, end) = (at * from / to, ((at + 1) * from).div_ceil(to));
    Tap { start, weights: vec![1.0 / as_f32(end - start); end - start] }
}

fn bicubic(from: usize, position: f64) -> Tap {
    let share = share(position);
    let near = |x: f32| ((CUBIC + 2.0) * x - (CUBIC + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((CUBIC * x - 5.0 * CUBIC) * x + 8.0 * CUBIC) * x - 4.0 * CUBIC;
    let weights = [far(share + 1.0), near(share), near(1.0 - share), far(2.0 - share)];
    // Beyond an edge stands the sample at the edge.
    let place = |offset: f64| as_index((position.floor() + offset).max(0.0)).min(from - 1);
    let start = place(-1.0);
    let mut tap = Tap { start, weights: vec![0.0; place(2.0) - start + 1] };
    for (offset, weight) in [-1.0, 0.0, 1.0, 2.0].into_iter().zip(weights) {
        tap.weights[place(offset) - start] += weight;
    }
    tap
}

#[expect(clippy::cast_possible_truncation, reason = "a weight needs no more than f32 holds")]
fn lanczos(from: usize, scale: f64, center: f64) -> Tap {
    let stretch = scale.max(1.0);
    let start = as_index(center - LANCZOS * stretch + 0.5);
    let end = as_index(center + LANCZOS * stretch + 0.5).min(from);
    let weights: Vec<f64> = (start..end).map(|at| window((as_f64(at) - center + 0.5) / stretch)).collect();
    let sum: f64 = weights.iter().sum();
    Tap { start, weights: weights.iter().map(|weight| (weight / sum) as f32).collect() }
}

fn window(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
    if x.abs() < LANCZOS { sinc(x) * sinc(x / LANCZOS) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [Method; 5] =
        [Method::NearestExact, Method::Bilinear, Method::Area, Method::Bicubic, Method::Lanczos];

    fn row(samples: &[f32]) -> Raster {
        Raster { batch: 1, width: samples.len(), height: 1, channels: 1, samples: samples.to_vec() }
    }

    fn near(raster: &Raster, expected: &[f32]) {
        assert_eq!(raster.samples.len(), expected.len());
        for (sample, expected) in raster.samples.iter().zip(expected) {
            assert!((sample - expected).abs() < 1e-4, "{:?}", raster.samples);
        }
    }

    #[test]
    fn each_method_finds_the_samples_that_its_model_finds() {
        let ramp = row(&[0.0, 0.2, 0.6, 1.0]);
        near(&ramp.resized((2, 1), Method::NearestExact), &[0.2, 1.0]);
        near(&ramp.resized((2, 1), Method::Bilinear), &[0.1, 0.8]);
        near(&ramp.resized((3, 1), Method::Area), &[0.1, 0.4, 0.8]);
        near(&row(&[0.0, 1.0]).resized((4, 1), Method::Bilinear), &[0.0, 0.25, 0.75, 1.0]);
        // The ends overshoot: nothing clips before a picture is saved.
        near(&row(&[0.0, 1.0]).resized((4, 1), Method::Bicubic), &[-0.105_469, 0.226_563, 0.773_437, 1.105_469]);
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let picture = Raster::filled(2, (3, 4), &[0.2, 0.4, 0.6]);
        for method in METHODS {
            near(&picture.resized((3, 4), method), picture.samples());
        }
    }

    #[test]
    fn an_even_picture_stays_even_in_every_size() {
        let even = Raster::filled(2, (7, 5), &[0.2, 0.4, 0.6]);
        for method in METHODS {
            for size in [(3, 11), (20, 2), (1, 1)] {
                near(&even.resized(size, method), Raster::filled(2, size, &[0.2, 0.4, 0.6]).samples());
            }
        }
    }

    #[test]
    fn what_is_transparent_does_not_bleed() {
        let picture = Raster {
            batch: 1,
            width: 2,
            height: 1,
            channels: 4,
            samples: vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0],
        };
        let small = picture.resized((1, 1), Method::Lanczos);
        near(&small, &[1.0, 0.0, 0.0, 128.0 / 255.0]);
    }

    #[test]
    fn the_middle_has_the_shape_asked_for() {
        let wide = Raster::filled(1, (100, 50), &[0.0]);
        assert_eq!(wide.middle((10, 10)).size(), (50, 50));
        assert_eq!(wide.middle((10, 20)).size(), (24, 50));
        assert_eq!(wide.middle((40, 10)).size(), (100, 26));
    }
}
