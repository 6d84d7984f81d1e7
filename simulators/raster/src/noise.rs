//! Gaussian noise, the same for the same seed as `PyTorch`'s on a CPU: a Mersenne Twister and Box and Muller's transform, sixteen
//! samples at a time.

use std::f32::consts::TAU;

use super::Raster;

const STATE: usize = 624;
const MIDDLE: usize = 397;
const BLOCK: usize = 16;

/// The generator of uniform numbers.
struct Twister {
    state: [u32; STATE],
    at: usize,
}

impl Twister {
    /// Only the lower half of the seed counts.
    fn new(seed: u64) -> Self {
        let mut state = [0; STATE];
        let mut last = u32::try_from(seed & u64::from(u32::MAX)).expect("it was cut to 32 bits");
        for (index, word) in (0_u32..).zip(&mut state) {
            if index > 0 {
                last = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(index);
            }
            *word = last;
        }
        Self { state, at: STATE }
    }

    fn twist(&mut self) {
        for index in 0..STATE {
            let mixed = (self.state[index] & 0x8000_0000) | (self.state[(index + 1) % STATE] & 0x7fff_ffff);
            let odd = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[index] = self.state[(index + MIDDLE) % STATE] ^ (mixed >> 1) ^ odd;
        }
        self.at = 0;
    }

    fn word(&mut self) -> u32 {
        if self.at == STATE {
            self.twist();
        }
        let mut word = self.state[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// From 0 to below 1, in steps of 2⁻²⁴.
    #[expect(clippy::cast_precision_loss, reason = "24 bits are exact in f32")]
    fn uniform(&mut self) -> f32 {
        (self.word() & 0x00ff_ffff) as f32 / 16_777_216.0
    }
}

impl Raster {
    /// Each sample with noise of that strength, clipped.
    #[must_use]
    pub fn with_noise(&self, seed: u64, strength: f32) -> Self {
        let noise = normal(seed, self.samples.len());
        let add = |(sample, noise): (&f32, f32)| (sample + strength * noise).clamp(0.0, 1.0);
        self.with_samples(self.size(), self.channels, self.samples.iter().zip(noise).map(add).collect())
    }
}

/// So many samples of mean 0 and deviation 1.
fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut twister = Twister::new(seed);
    let mut samples: Vec<f32> = (0..count.max(BLOCK)).map(|_| twister.uniform()).collect();
    for block in samples.chunks_exact_mut(BLOCK) {
        transform(block);
    }
    let rest = samples.len() % BLOCK;
    if rest > 0 {
        // What is left over is drawn anew, with as many before it as make a block.
        let last = samples.len() - BLOCK;
        samples[last..].fill_with(|| twister.uniform());
        transform(&mut samples[last..]);
    }
    samples.truncate(count);
    samples
}

fn transform(block: &mut [f32]) {
    let (left, right) = block.split_at_mut(BLOCK / 2);
    for (left, right) in left.iter_mut().zip(right) {
        let radius = (-2.0 * (1.0 - *left).ln()).sqrt();
        let (sin, cos) = (TAU * *right).sin_cos();
        (*left, *right) = (radius * cos, radius * sin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_samples_are_those_of_pytorch() {
        // torch.manual_seed(0); torch.randn(4, 4)
        let samples = normal(0, 16);
        for (sample, expected) in
            samples.iter().zip([-1.1258, -1.1524, -0.2506, -0.4339, 0.8487, 0.6920, -0.3160, -2.1152])
        {
            assert!((sample - expected).abs() < 1e-4, "{samples:?}");
        }
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        assert_eq!(normal(7, 50), normal(7, 50));
        assert_ne!(normal(7, 50), normal(8, 50));
        assert_eq!(normal(7, 50), normal(7 + (1 << 32), 50));
    }

    #[test]
    fn the_samples_have_mean_0_and_deviation_1() {
        let samples = normal(3, 10_003);
        let count = 10_003.0_f32;
        let mean = samples.iter().sum::<f32>() / count;
        let deviation = (samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f32>() / count).sqrt();
        assert!(mean.abs() < 0.03 && (deviation - 1.0).abs() < 0.03, "{mean} {deviation}");
    }
}
