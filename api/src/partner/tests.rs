//! The edge as another council meets it.

mod exchange;
mod files;
mod guard;
mod guide;
mod head;
mod nodes;
