//! The parts that touch the world: files, the command line, the local page.

#[cfg(feature = "aws")]
pub(crate) mod aws;
pub mod cli;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub mod store;
