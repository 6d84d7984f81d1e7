//! A stream of numbers out of a digest: everything a picture varies by.

use super::canvas::{Color, Point};

pub(super) struct Variety {
    digest: [u8; 32],
    at: usize,
}

impl Variety {
    pub(super) fn new(digest: [u8; 32]) -> Self {
        Self { digest, at: 0 }
    }

    pub(super) fn byte(&mut self) -> u8 {
        let byte = self.digest[self.at % self.digest.len()];
        // Later rounds must not repeat the first.
        let round = u8::try_from(self.at / self.digest.len() % 128).unwrap_or(0);
        self.at += 1;
        byte.wrapping_mul(1 + 2 * round).wrapping_add(round)
    }

    /// Between 0 and 1.
    pub(super) fn share(&mut self) -> f32 {
        f32::from(self.byte()) / 255.0
    }

    pub(super) fn point(&mut self) -> Point {
        (self.share(), self.share())
    }

    pub(super) fn color(&mut self, darkest: u8) -> Color {
        let span = u16::from(255 - darkest) + 1;
        let mut channel = || darkest + u8::try_from(u16::from(self.byte()) % span).unwrap_or(0);
        [channel(), channel(), channel()]
    }
}
