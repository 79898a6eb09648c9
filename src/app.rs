//! The parts that touch the world: files, the command line, the local page.

#[cfg(feature = "aws")]
pub mod aws;
pub mod cli;
#[cfg(feature = "serve")]
pub mod serve;
pub mod store;
