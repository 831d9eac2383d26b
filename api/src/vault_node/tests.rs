//! Vault nodes over real connections: the contract of the keys, the standby, and what is refused.

mod kit;

mod client;
mod served;
mod standby;
mod tls;
