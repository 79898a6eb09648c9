//! Rooms on nodes that exist, shared by the rounds of one pass: a round copies only the rooms that it changes,
//! and looks only at those that hold a pod of the workload.

use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use super::{PoolSize, round::Room};
use crate::cluster::autoscale::policy::Policy;

/// Rooms in the order in which pods try them, as they are before a round.
#[derive(Debug, Default)]
pub(in crate::cluster::autoscale) struct Stock {
    pub(in crate::cluster::autoscale) rooms: Vec<Room>,
    /// By workload: places of the rooms that hold a pod of it; none where it was not looked for yet.
    holding: RefCell<BTreeMap<usize, Rc<[usize]>>>,
    pub(super) sizes: OnceCell<Vec<PoolSize>>,
}

impl Stock {
    pub(in crate::cluster::autoscale) fn new(rooms: Vec<Room>) -> Self {
        Self { rooms, ..Self::default() }
    }

    /// Places of the rooms that hold a pod of a workload.
    fn holding(&self, policy: &Policy, workload: usize) -> Rc<[usize]> {
        let find = || {
            let asks = &policy.workloads[workload];
            let rooms = self.rooms.iter().enumerate();
            rooms.filter(|(_, room)| room.holds(asks)).map(|(place, _)| place).collect()
        };
        Rc::clone(self.holding.borrow_mut().entry(workload).or_insert_with(find))
    }
}

/// A round's view of shared rooms.
#[derive(Debug)]
pub(in crate::cluster::autoscale) struct View {
    pub(super) stock: Rc<Stock>,
    /// Nodes whose rooms are not there.
    leaving: Vec<usize>,
    /// Rooms that the round changed, by place.
    changed: BTreeMap<usize, Room>,
}

impl View {
    pub(in crate::cluster::autoscale) fn new(stock: Rc<Stock>, leaving: &[usize]) -> Self {
        Self { stock, leaving: leaving.to_vec(), changed: BTreeMap::new() }
    }
}

/// The rooms of a round.
#[derive(Debug)]
pub(in crate::cluster::autoscale) enum Rooms {
    /// Its own.
    Owned(Vec<Room>),
    /// Those of a pass.
    Shared(View),
}

/// Places of the rooms that one workload's pods try.
pub(super) enum Places {
    /// So many, from the first on.
    All(usize),
    /// These.
    Listed(Rc<[usize]>),
}

impl Places {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(count) => *count,
            Self::Listed(places) => places.len(),
        }
    }

    pub(super) fn at(&self, position: usize) -> usize {
        match self {
            Self::All(_) => position,
            Self::Listed(places) => places[position],
        }
    }
}

impl Rooms {
    pub(super) fn places(&self, policy: &Policy, workload: usize) -> Places {
        match self {
            Self::Owned(rooms) => Places::All(rooms.len()),
            Self::Shared(view) => Places::Listed(view.stock.holding(policy, workload)),
        }
    }

    /// The room at a place; none where its node leaves.
    pub(super) fn get(&self, place: usize) -> Option<&Room> {
        match self {
            Self::Owned(rooms) => rooms.get(place),
            Self::Shared(view) => {
                let before = view.stock.rooms.get(place)?;
                if view.leaving.contains(&before.index) {
                    return None;
                }
                Some(view.changed.get(&place).unwrap_or(before))
            }
        }
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Room> {
        match self {
            Self::Owned(rooms) => rooms.get_mut(place),
            Self::Shared(View { stock, changed, .. }) => {
                let before = stock.rooms.get(place)?;
                Some(changed.entry(place).or_insert_with(|| before.clone()))
            }
        }
    }

    /// The rooms themselves; none where they are shared.
    pub(super) fn owned(&self) -> &[Room] {
        match self {
            Self::Owned(rooms) => rooms,
            Self::Shared(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::autoscale::{
        Cluster, NodeState,
        karpenter::round::Bounds,
        tests::{company, luck},
    };

    /// Shared rooms decide as a copy of them does, and a round leaves them as they were.
    #[test]
    fn rounds_share_rooms_and_decide_as_if_each_had_its_own() {
        let policy = company();
        let offer = policy.pools[0].on_demand[0];
        let state = |place: u32| {
            let mut pods = vec![0; policy.workloads.len()];
            pods[0] = place % 2;
            NodeState { offer, zone: (place % 3) as u8, quiet_seconds: 600, pods }
        };
        let nodes: Vec<NodeState> = (0..40).map(state).collect();
        let none = vec![0; policy.workloads.len()];
        let cluster = Cluster::from_state(&policy, &nodes, &none, luck());
        let rooms: Vec<Room> = (0..nodes.len())
            .filter_map(|index| Some(Room::new(&policy, index, cluster.node_at(index)?)))
            .collect();
        let stock = Rc::new(Stock::new(rooms.clone()));
        let before = format!("{:?}", stock.rooms);
        for leaving in 0..nodes.len() {
            let mut own = rooms.clone();
            own.retain(|room| room.index != leaving);
            let view = View::new(Rc::clone(&stock), &[leaving]);
            let [own, shared] = [Rooms::Owned(own), Rooms::Shared(view)].map(|rooms| {
                let mut round = cluster.round(&policy, rooms, Bounds::NONE);
                let mut wanted = none.clone();
                wanted[0] = leaving as u32 * 3;
                wanted[1] = 2;
                let left = round.place_all(&cluster, &policy, wanted, 0);
                (left, format!("{:?}", round.claims), round.zones)
            });
            assert_eq!(own, shared);
        }
        assert_eq!(format!("{:?}", stock.rooms), before);
    }
}
