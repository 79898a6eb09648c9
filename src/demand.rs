//! Users to load: growth curves, and the traffic of a minute.

pub mod growth;
pub mod traffic;
