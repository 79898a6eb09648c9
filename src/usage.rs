//! Nodes and load to metered usage: one module for each service.

pub mod services;
