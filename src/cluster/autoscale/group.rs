//! Groups of nodes: the baseline, and the nodes of each Karpenter pool.

use std::ops::{BitAnd, BitOr};

/// A Karpenter pool, by its place in [`Policy::pools`](super::policy::Policy::pools).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolId(u8);

impl PoolId {
    /// Returns its place among the pools.
    pub fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// What a node belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Nodes that Karpenter did not buy.
    Baseline,
    /// Nodes of a Karpenter pool.
    Pool(PoolId),
}

impl Group {
    /// Returns the group of the pool at a place; pools have places below [`u32::BITS`] − 1.
    pub fn of_pool(place: usize) -> Self {
        Self::Pool(PoolId(place as u8))
    }

    /// Returns the place of its pool; the baseline has none.
    pub fn pool(self) -> Option<usize> {
        match self {
            Self::Baseline => None,
            Self::Pool(id) => Some(id.place()),
        }
    }

    fn bit(self) -> u32 {
        match self {
            Self::Baseline => 1,
            Self::Pool(PoolId(place)) => 2 << place,
        }
    }
}

/// A set of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Groups(u32);

impl Groups {
    /// Every group.
    pub const ALL: Self = Self(u32::MAX);
    /// No group.
    pub const NONE: Self = Self(0);

    /// Returns whether a group is in the set.
    #[inline]
    pub fn contains(self, group: Group) -> bool {
        self.0 & group.bit() != 0
    }

    /// Adds a group.
    pub fn insert(&mut self, group: Group) {
        self.0 |= group.bit();
    }

    /// Returns the set without the groups of another.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns whether there is no group in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitAnd for Groups {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOr for Groups {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Group> for Groups {
    fn from_iter<I: IntoIterator<Item = Group>>(groups: I) -> Self {
        Self(groups.into_iter().fold(0, |bits, group| bits | group.bit()))
    }
}
