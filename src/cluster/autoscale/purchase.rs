//! The two ways in which Karpenter buys nodes outside of reservations.

use super::policy::Purchase;

/// A way to buy a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Market {
    /// On demand.
    OnDemand,
    /// Spot.
    Spot,
}

impl Market {
    /// Both, in the order in which offers are listed.
    pub const ALL: [Self; 2] = [Self::OnDemand, Self::Spot];
}

impl From<Market> for Purchase {
    fn from(market: Market) -> Self {
        match market {
            Market::OnDemand => Self::OnDemand,
            Market::Spot => Self::Spot,
        }
    }
}

/// A value for each way to buy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByPurchase<T> {
    /// On demand.
    pub on_demand: T,
    /// Spot.
    pub spot: T,
}

impl<T: Copy> ByPurchase<T> {
    /// Returns the value of one way.
    #[inline]
    pub fn get(self, market: Market) -> T {
        match market {
            Market::OnDemand => self.on_demand,
            Market::Spot => self.spot,
        }
    }

    /// Computes a value for each way.
    #[inline]
    pub fn new(value: impl Fn(Market) -> T) -> Self {
        Self { on_demand: value(Market::OnDemand), spot: value(Market::Spot) }
    }
}

impl ByPurchase<bool> {
    /// Both ways.
    pub const BOTH: Self = Self { on_demand: true, spot: true };
    /// On demand only.
    pub const ON_DEMAND: Self = Self { on_demand: true, spot: false };
    /// Spot only.
    pub const SPOT: Self = Self { on_demand: false, spot: true };

    /// Returns whether any way is open.
    pub fn any(self) -> bool {
        self.on_demand || self.spot
    }
}

/// Nodes by how they are bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NodeCounts {
    /// Nodes that Karpenter did not buy.
    pub baseline: u32,
    /// Nodes that Karpenter bought on demand, those of reservations included.
    pub on_demand: u32,
    /// Spot nodes.
    pub spot: u32,
}

impl NodeCounts {
    /// Returns all nodes.
    pub fn total(self) -> u32 {
        self.baseline + self.on_demand + self.spot
    }

    /// Returns the count that a node of this purchase option belongs to.
    pub(super) fn of_mut(&mut self, purchase: Purchase) -> &mut u32 {
        match purchase {
            Purchase::Baseline => &mut self.baseline,
            Purchase::OnDemand | Purchase::Reserved => &mut self.on_demand,
            Purchase::Spot => &mut self.spot,
        }
    }
}

/// Minutes of nodes by how they are bought.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NodeMinutes {
    /// Of nodes that Karpenter did not buy.
    pub baseline: f64,
    /// Of nodes that Karpenter bought on demand, those of reservations included.
    pub on_demand: f64,
    /// Of spot nodes.
    pub spot: f64,
}

impl NodeMinutes {
    /// Adds nodes that were there for some minutes.
    pub fn add(&mut self, nodes: NodeCounts, minutes: f64) {
        self.baseline += f64::from(nodes.baseline) * minutes;
        self.on_demand += f64::from(nodes.on_demand) * minutes;
        self.spot += f64::from(nodes.spot) * minutes;
    }

    /// Returns the minutes of all nodes.
    pub fn total(self) -> f64 {
        self.baseline + self.on_demand + self.spot
    }
}
