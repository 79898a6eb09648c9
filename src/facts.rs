//! What vendors publish, as data: shapes of instances and rules, prices, price lists.

pub mod commitment_rates;
pub mod model;
pub mod price_list;
pub mod prices;
pub mod shapes;
