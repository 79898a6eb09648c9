//! What the user wants: the scenario, its budgets and its commitments.

pub mod budget;
pub mod commitment;
pub mod scenario;
