//! The read models as a whole, against what they promise.

mod apply;
mod behind;
mod follow;
mod history;
mod kit;
mod lists;
mod rebuilt;
mod search;
mod unregistered;
