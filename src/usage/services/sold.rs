//! What a region sells: the patterns of meters stand for its types and classes.

use crate::facts::shapes::{AuroraClass, Catalog, Shape};

/// What a region sells.
#[derive(Debug, Clone)]
pub struct Sold<'a> {
    /// Region code.
    pub region: &'a str,
    /// Regions that it may send bytes to.
    pub peers: &'a [&'a str],
    /// Shapes and facts.
    pub catalog: &'a Catalog,
    /// Instance types that it sells.
    pub instance_types: Vec<&'a Shape>,
    /// Database classes that it sells.
    pub classes: Vec<&'a AuroraClass>,
}
