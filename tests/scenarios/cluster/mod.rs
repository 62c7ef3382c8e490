//! A cluster: what its processes are to each other, and to strangers.

mod doors;
mod ways;
