//! The price book and the models inside the program, as `build.rs` packs them.

use std::io::Read;

use flate2::read::DeflateDecoder;

/// A folder inside the program: path and deflated bytes of each file, in the order of the paths.
#[derive(Debug)]
pub struct Packed(&'static [(&'static str, &'static [u8])]);

include!(concat!(env!("OUT_DIR"), "/packed.rs"));

impl Packed {
    /// Returns a file's text; `None` if there is no such file of text.
    pub fn text(&self, path: &str) -> Option<String> {
        let place = self.0.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
        let mut text = String::new();
        DeflateDecoder::new(self.0[place].1).read_to_string(&mut text).ok()?;
        Some(text)
    }
}
