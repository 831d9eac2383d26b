//! The service of two councils as they use it on each other.

mod compose;
mod crossing;
mod duplicates;
mod evidence;
mod late_files;
mod life;
mod present;
mod privacy;
mod recall;
mod refusals;
mod reminders;
mod retention;
