//! Which nodes there are, which of them live, and which one leads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::wire::gossip::member_info::VNodeState;
use super::wire::gossip::{ClusterInfo, EndPoint, MemberInfo};
use super::wire::{Uuid, uuid};

/// The nodes of the double: several ports over one log.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) host: String,
    pub(super) ports: Vec<u16>,
    alive: Vec<watch::Sender<bool>>,
    leader: Mutex<Option<usize>>,
}

impl Cluster {
    /// Nodes that all live; the first leads.
    pub(super) fn new(host: String, ports: Vec<u16>) -> Self {
        let alive = ports.iter().map(|_| watch::Sender::new(true)).collect();
        Self { host, ports, alive, leader: Mutex::new(Some(0)) }
    }

    fn held(&self) -> MutexGuard<'_, Option<usize>> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node that leads.
    pub(super) fn leader(&self) -> Option<usize> {
        *self.held()
    }

    /// Whether a node lives, as it changes.
    pub(super) fn alive(&self, node: usize) -> watch::Receiver<bool> {
        self.alive[node].subscribe()
    }

    fn lives(&self, node: usize) -> bool {
        *self.alive[node].borrow()
    }

    /// A node dies; when it led, the next one that lives does.
    pub(super) fn kill(&self, node: usize) {
        let mut leader = self.held();
        self.alive[node].send_replace(false);
        if *leader == Some(node) {
            let nodes = self.ports.len();
            *leader = (1..nodes).map(|step| (node + step) % nodes).find(|next| self.lives(*next));
        }
    }

    /// A node comes back; it leads when nobody does.
    pub(super) fn revive(&self, node: usize) {
        let mut leader = self.held();
        self.alive[node].send_replace(true);
        leader.get_or_insert(node);
    }

    /// A node that lives takes the lead.
    pub(super) fn lead(&self, node: usize) {
        let mut leader = self.held();
        if self.lives(node) {
            *leader = Some(node);
        }
    }

    /// The leader dies, and whoever was dead comes back.
    pub(super) fn turn_over(&self) {
        for node in (0..self.ports.len()).filter(|node| !self.lives(*node)) {
            self.revive(node);
        }
        if let Some(leader) = self.leader() {
            self.kill(leader);
        }
    }

    /// What the nodes tell each other, and clients.
    pub(super) fn gossip(&self, quorum: bool) -> ClusterInfo {
        let leader = self.leader().filter(|_| quorum);
        let members = (0..self.ports.len()).map(|node| {
            let state = match leader {
                Some(leader) if leader == node => VNodeState::Leader,
                Some(_) => VNodeState::Follower,
                None => VNodeState::Unknown,
            };
            let id = uuid::Value::String(format!("00000000-0000-4000-8000-{node:012}"));
            MemberInfo {
                instance_id: Some(Uuid { value: Some(id) }),
                time_stamp: api::clock::unix_millis() * 10_000,
                state: state.into(),
                is_alive: self.lives(node),
                http_end_point: Some(EndPoint { address: self.host.clone(), port: u32::from(self.ports[node]) }),
            }
        });
        ClusterInfo { members: members.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_one_leads_when_the_leader_dies() {
        let cluster = Cluster::new("127.0.0.1".to_owned(), vec![1, 2, 3]);
        assert_eq!(cluster.leader(), Some(0));
        cluster.kill(1);
        assert_eq!(cluster.leader(), Some(0));
        cluster.kill(0);
        assert_eq!(cluster.leader(), Some(2));
        cluster.kill(2);
        assert_eq!(cluster.leader(), None);
        cluster.revive(1);
        assert_eq!(cluster.leader(), Some(1));
        cluster.lead(2);
        assert_eq!(cluster.leader(), Some(1), "the dead do not lead");
    }

    #[test]
    fn the_lead_goes_round() {
        let cluster = Cluster::new("127.0.0.1".to_owned(), vec![1, 2, 3]);
        let leaders: Vec<_> = (0..4)
            .map(|_| {
                cluster.turn_over();
                cluster.leader()
            })
            .collect();
        assert_eq!(leaders, [Some(1), Some(2), Some(0), Some(1)]);
        let dead = cluster.gossip(true).members.iter().filter(|member| !member.is_alive).count();
        assert_eq!(dead, 1);
        assert!(cluster.gossip(false).members.iter().all(|member| member.state == i32::from(VNodeState::Unknown)));
    }
}
