//! Pictures as ComfyUI computes with them: batches of `f32` pixels in rows, and the arithmetic of its nodes. It is a crate of
//! its own so that it alone can be optimised in debug builds, where the rest of the simulators is not.

mod compose;
mod filter;
mod geometry;
mod noise;
mod resample;

pub use self::compose::Blend;
pub use self::geometry::Margin;
pub use self::resample::Method;

/// Channels of one pixel at most: red, green, blue, alpha.
pub const CHANNELS_MAX: usize = 4;

/// Pictures of one size, one after the other; of each its rows from the top, of each row its pixels from the left. A mask is a
/// raster of one channel. Samples lie between 0 and 1, but nothing forces them to.
#[derive(Clone, Debug, PartialEq)]
pub struct Raster {
    batch: usize,
    width: usize,
    height: usize,
    channels: usize,
    samples: Vec<f32>,
}

impl Raster {
    /// Every pixel is `pixel`.
    ///
    /// # Panics
    ///
    /// If `pixel` has no channel, or more than [`CHANNELS_MAX`].
    #[must_use]
    pub fn filled(batch: usize, (width, height): (usize, usize), pixel: &[f32]) -> Self {
        assert!((1..=CHANNELS_MAX).contains(&pixel.len()), "a pixel has 1 to 4 channels");
        let samples = pixel.repeat(batch * width * height);
        Self { batch, width, height, channels: pixel.len(), samples }
    }

    /// One picture of 8-bit channels.
    ///
    /// # Panics
    ///
    /// If there are more or fewer bytes than the size says.
    #[must_use]
    pub fn from_bytes((width, height): (usize, usize), channels: usize, bytes: &[u8]) -> Self {
        assert!((1..=CHANNELS_MAX).contains(&channels), "a pixel has 1 to 4 channels");
        assert_eq!(bytes.len(), width * height * channels, "the size and the bytes agree");
        let samples = bytes.iter().map(|byte| f32::from(*byte) / 255.0).collect();
        Self { batch: 1, width, height, channels, samples }
    }

    /// One picture of the batch as 8-bit channels, cut off below as ComfyUI does when it saves, not rounded.
    #[must_use]
    pub fn to_bytes(&self, index: usize) -> Vec<u8> {
        self.frame(index).iter().map(|sample| byte(sample * 255.0)).collect()
    }

    /// How many pictures there are.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Width and height of each.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Channels of each pixel.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// All samples.
    #[must_use]
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    fn frame_len(&self) -> usize {
        self.width * self.height * self.channels
    }

    fn frame(&self, index: usize) -> &[f32] {
        &self.samples[index * self.frame_len()..(index + 1) * self.frame_len()]
    }

    /// The same pictures with other samples; their number decides the batch.
    fn with_samples(&self, (width, height): (usize, usize), channels: usize, samples: Vec<f32>) -> Self {
        let batch = if width * height == 0 { self.batch } else { samples.len() / (width * height * channels) };
        Self { batch, width, height, channels, samples }
    }

    /// `count` pictures from `start` on.
    #[must_use]
    pub fn frames(&self, start: usize, count: usize) -> Self {
        let samples = self.samples[start * self.frame_len()..(start + count) * self.frame_len()].to_vec();
        Self { batch: count, samples, ..self.shape() }
    }

    fn shape(&self) -> Self {
        Self { samples: Vec::new(), ..*self }
    }

    /// The whole batch, `times` times.
    #[must_use]
    pub fn repeated(&self, times: usize) -> Self {
        Self { batch: self.batch * times, samples: self.samples.repeat(times), ..self.shape() }
    }

    /// As many pictures as asked for: the first ones, or all over again.
    #[must_use]
    pub fn of_batch(&self, batch: usize) -> Self {
        if batch <= self.batch {
            self.frames(0, batch)
        } else {
            self.repeated(batch.div_ceil(self.batch)).frames(0, batch)
        }
    }

    /// These pictures, then the others.
    ///
    /// # Panics
    ///
    /// If they differ in size or channels.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        assert_eq!(
            (self.size(), self.channels),
            (other.size(), other.channels),
            "pictures of one batch are of one shape"
        );
        let samples = [self.samples.as_slice(), &other.samples].concat();
        Self { batch: self.batch + other.batch, samples, ..self.shape() }
    }

    /// One channel alone.
    #[must_use]
    pub fn channel(&self, channel: usize) -> Self {
        let samples = self.samples.chunks_exact(self.channels).map(|pixel| pixel[channel]).collect();
        Self { channels: 1, samples, ..self.shape() }
    }

    /// The first channels.
    #[must_use]
    pub fn first_channels(&self, channels: usize) -> Self {
        let samples = self.samples.chunks_exact(self.channels).flat_map(|pixel| &pixel[..channels]).copied().collect();
        Self { channels, samples, ..self.shape() }
    }

    /// Each pixel with one more channel behind its own.
    ///
    /// # Panics
    ///
    /// If `last` has another size or batch, or more than one channel.
    #[must_use]
    pub fn with_channel(&self, last: &Self) -> Self {
        assert_eq!((last.batch, last.size(), last.channels), (self.batch, self.size(), 1), "one sample for each pixel");
        let mut samples = Vec::with_capacity(self.samples.len() + last.samples.len());
        for (pixel, sample) in self.samples.chunks_exact(self.channels).zip(&last.samples) {
            samples.extend_from_slice(pixel);
            samples.push(*sample);
        }
        Self { channels: self.channels + 1, samples, ..self.shape() }
    }

    /// A mask as a picture: its one channel in each of so many.
    #[must_use]
    pub fn spread(&self, channels: usize) -> Self {
        let samples = self.samples.iter().flat_map(|sample| std::iter::repeat_n(*sample, channels)).collect();
        Self { channels, samples, ..self.shape() }
    }

    /// Every sample taken from 1.
    #[must_use]
    pub fn inverted(&self) -> Self {
        Self { samples: self.samples.iter().map(|sample| 1.0 - sample).collect(), ..self.shape() }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates to a byte's range")]
fn byte(sample: f32) -> u8 {
    sample as u8
}

#[expect(clippy::cast_precision_loss, reason = "sides and batches are far below 2^24")]
fn as_f32(count: usize) -> f32 {
    count as f32
}

#[expect(clippy::cast_precision_loss, reason = "sides are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates: below 0 becomes 0")]
fn as_index(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_the_way_to_samples_and_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(Raster::from_bytes((256, 1), 1, &bytes).to_bytes(0), bytes);
    }

    #[test]
    fn saving_cuts_off_and_clips() {
        let raster = Raster::filled(1, (1, 1), &[0.999, -3.0, 7.0]);
        assert_eq!(raster.to_bytes(0), [254, 0, 255]);
    }

    #[test]
    fn batches_are_joined_repeated_and_cut() {
        let (a, b) = (Raster::filled(1, (2, 1), &[0.0]), Raster::filled(1, (2, 1), &[1.0]));
        let both = a.joined(&b);
        assert_eq!(both.samples(), [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(both.of_batch(3), both.joined(&a));
        assert_eq!(both.of_batch(1), a);
        assert_eq!(both.frames(1, 1), b);
    }

    #[test]
    fn channels_are_taken_apart_and_put_together() {
        let raster = Raster::filled(1, (1, 2), &[0.1, 0.2, 0.3, 0.4]);
        assert_eq!(raster.first_channels(3).with_channel(&raster.channel(3)), raster);
        assert_eq!(raster.channel(1).spread(2).samples(), [0.2; 4]);
        assert_eq!(raster.channel(0).inverted().samples(), [0.9; 2]);
    }
}
